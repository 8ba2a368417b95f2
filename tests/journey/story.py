"""The main job as people do it: Nora claims a manufacturer, Cora decides, Dan reads for CSP."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from tests.journey.shots import Shots
from tests.portalprocess import PortalProcess
from tests.wellknown import Site

SLUG, NAME = "perrigo", "Perrigo Company"
PASSWORD = "nine slow green boats"


class Story:
    """Three browsers, one for each person; every page's console must stay without an error."""

    def __init__(self, portal: PortalProcess, browser: Browser, shots: Shots) -> None:
        self.portal, self.browser, self.shots = portal, browser, shots
        self.errors: list[str] = []
        self.nora, self.cora, self.dan = self.tab(), self.tab(), self.tab()
        self.demo_password: str = json.loads(Path(portal.home, "demo.json").read_text())["password"]

    def tab(self, **options: Any) -> Page:
        page = self.browser.new_context(base_url=self.portal.url, **options).new_page()
        page.set_default_timeout(20_000)
        page.on("console", self._listen)
        return page

    def close(self) -> None:
        for page in (self.nora, self.cora, self.dan):
            page.context.close()

    def look_around(self) -> None:
        """1. The mesh is there: search and facets lead to a manufacturer."""
        self.nora.goto("/")
        self.shots.take(self.nora, "explorer")
        self.nora.get_by_role("link", name="Manufacturer").first.click()
        self.nora.get_by_role("searchbox", name="Find a twin").fill("perrigo")
        self.nora.keyboard.press("Enter")
        self.nora.get_by_role("link", name=NAME).click()
        expect(self.nora.get_by_role("heading", level=1)).to_have_text(NAME)
        expect(self.nora.get_by_text("own process, own directory").first).to_be_visible()
        expect(self.nora.get_by_text("Margins")).to_have_count(0)
        self.shots.take(self.nora, "twin")

    def sign_up_and_start_the_claim(self, site: Site) -> None:
        """2. A newcomer claims it."""
        self.nora.get_by_role("link", name="Claim this twin").click()
        self.nora.get_by_role("link", name="Make an account").click()
        self.nora.get_by_label("Your name").fill("Nora")
        self.nora.get_by_label("E-mail").fill("nora@perrigo.example")
        self.nora.get_by_label("Password").fill(PASSWORD)
        self.shots.take(self.nora, "sign-up")
        self.nora.get_by_role("button", name="Make the account").click()
        expect(self.nora.get_by_text("The platform is refused like any stranger")).to_be_visible()
        self.nora.get_by_label("Your role there").fill("Regulatory lead")
        self.nora.get_by_label("A domain of the entity").fill(site.domain)
        self.shots.take(self.nora, "claim-start")
        self.nora.get_by_role("button", name="Start the claim").click()
        expect(self.nora.get_by_text("Waiting for proof").first).to_be_visible()

    def prove_control(self, site: Site) -> None:
        url = self.nora.locator("#proof-url").inner_text()
        site.files[url.removeprefix(site.url)] = self.nora.locator("#proof-body").inner_text()
        self.nora.get_by_role("button", name="Look now").click()
        expect(self.nora.get_by_text("Waiting for a curator").first).to_be_visible()
        self.shots.take(self.nora, "claim-review")

    def decide_at_the_desk(self) -> None:
        self.sign_in(self.cora, "cora@mycelium.example", self.demo_password)
        self.cora.get_by_role("link", name="Desk").click()
        expect(self.cora.get_by_role("heading", level=2, name=NAME)).to_be_visible()
        self.shots.take(self.cora, "desk")
        self.cora.get_by_label("Reason").select_option("control_proved")
        self.cora.get_by_role("button", name="Approve").click()
        expect(self.cora.get_by_text("being handed over")).to_be_visible()

    def watch_the_handover(self) -> None:
        """The claimant's page follows without a reload."""
        expect(self.nora.locator("#claim-status").get_by_text("Claimed").first).to_be_visible(timeout=60_000)
        expect(self.nora.get_by_text("the platform's credential was refused with 403")).to_be_visible()
        expect(self.nora.get_by_role("button", name="Withdraw the claim")).to_have_count(0)
        expect(self.nora.get_by_role("link", name="Review the grants written on its behalf")).to_be_visible()
        self.shots.take(self.nora, "handover")

    def sign_in_the_reader(self) -> None:
        self.sign_in(self.dan, "dan@csp.example", self.demo_password)

    def ask_for(self, slice_title: str, purpose: str) -> None:
        """3. CSP asks for a slice."""
        self.dan.goto(f"/t/{SLUG}/")
        self.dan.get_by_role("link", name="Request a grant").click()
        self.dan.get_by_label("Slice", exact=True).select_option(label=slice_title)
        self.dan.get_by_label("Purpose").fill(purpose)
        self.shots.take(self.dan, f"request-{slice_title.lower()}")
        self.dan.get_by_role("button", name="Send the request").click()
        expect(self.dan.get_by_text("Requested").first).to_be_visible()

    def approve_for(self, slice_name: str, seconds: int) -> None:
        """A grant whose window is short."""
        self.nora.goto("/grants/")
        self.nora.locator("#main a", has_text=slice_name).first.click()
        end = datetime.now(UTC) + timedelta(seconds=seconds)
        self.nora.get_by_label("Until (UTC)").fill(f"{end:%Y-%m-%dT%H:%M:%S}")
        self.nora.get_by_role("button", name="Grant it").click()
        expect(self.nora.locator("#grant-state")).to_have_text("Active")

    def see_it_end_by_itself(self) -> None:
        """At the window's end the reader's rows go, without anybody's act."""
        expect(self.dan.locator("#slice-status").get_by_text(re.compile("Expired at"))).to_be_visible(
            timeout=60_000
        )
        expect(self.dan.locator("#slice-rows tr")).to_have_count(0)
        expect(self.dan.locator("#slice-sentence")).to_contain_text("CSP could read recalls")
        self.shots.take(self.dan, "ended")

    def approve(self, slice_name: str) -> None:
        """The owner sees exactly what would be seen, and approves with an end date."""
        self.nora.goto("/grants/")
        self.nora.locator("#main a", has_text=slice_name).first.click()
        expect(self.nora.get_by_text("Exactly what CSP would see")).to_be_visible()
        self.shots.take(self.nora, f"decide-{slice_name}")
        self.nora.get_by_role("button", name="Grant it").click()
        expect(self.nora.locator("#grant-state")).to_have_text("Active")
        expect(self.nora.get_by_text("may read", exact=True)).to_be_visible()
        expect(self.nora.get_by_text(f"federation_reader slice:{slice_name}")).to_be_visible()
        self.shots.take(self.nora, f"grant-{slice_name}")

    def open_the_slice(self, slice_name: str, sample: str) -> None:
        """4. The reader opens the received slice."""
        self.dan.goto("/grants/")
        self.dan.locator("#main a", has_text=slice_name).first.click()
        self.dan.get_by_role("link", name="Read it").click()
        expect(self.dan.get_by_text("Live").first).to_be_visible()
        expect(self.dan.locator("#slice-rows tr").first).to_be_visible()
        expect(self.dan.locator("#slice-rows").get_by_text(sample).first).to_be_visible()

    def change_an_object(self, object_id: str, name: str) -> None:
        """A change in the manufacturer's twin appears on the reader's page without a reload."""
        self.dan.evaluate("document.body.dataset.same = 'page'")
        self.nora.goto(f"/console/{SLUG}/memory/catalogue/?edit={object_id}")
        body = json.loads(self.nora.get_by_label("Fields (JSON)").input_value())
        self.nora.get_by_label("Fields (JSON)").fill(json.dumps({**body, "name": name}))
        self.shots.take(self.nora, "memory")
        self.nora.get_by_role("button", name="Put").click()
        expect(self.dan.locator("#slice-rows").get_by_text(name)).to_be_visible()
        assert self.dan.evaluate("document.body.dataset.same") == "page"
        self.shots.take(self.dan, "live")

    def replace_the_source(self, feed: Site) -> None:
        """7. The owner's own feed takes the scraped one's place; the reader's page is untouched."""
        self.nora.goto(f"/console/{SLUG}/senses/?edit=fda")
        self.nora.get_by_label("Title").fill("Perrigo's own product list")
        self.nora.get_by_label("Address of the feed").fill(f"{feed.url}/own.json")
        self.shots.take(self.nora, "senses")
        self.nora.locator("form", has=self.nora.get_by_label("Address of the feed")).get_by_role(
            "button", name=re.compile("Set|Save|Store|Add|Replace")
        ).click()
        expect(self.nora.get_by_text("feeds Perrigo Company from now on")).to_be_visible()
        expect(self.dan.locator("#slice-rows").get_by_text("Owned ointment")).to_be_visible()
        expect(self.dan.locator("#slice-rows tr")).to_have_count(2)
        self.shots.take(self.dan, "new-source")

    def revoke(self, slice_name: str) -> None:
        """5. The owner revokes: at once the reader's page says so and its rows go."""
        self.nora.goto("/grants/")
        self.nora.locator("#main a", has_text=slice_name).first.click()
        self.nora.get_by_label("Reason").select_option("contract ended")
        self.nora.get_by_role("button", name="Revoke now").click()
        expect(self.dan.locator("#slice-rows tr")).to_have_count(0)
        expect(
            self.dan.locator("#slice-status").get_by_text(re.compile("Revoked at .*contract ended"))
        ).to_be_visible()
        self.shots.take(self.dan, "revoked")

    def read_the_audit(self) -> None:
        """6. Every call with caller, time and effect; by quarter; the chain is whole."""
        self.nora.goto(f"/console/{SLUG}/")
        self.shots.take(self.nora, "console")
        self.nora.get_by_role("link", name="Audit").first.click()
        expect(self.nora.locator("table").get_by_text("revoke").first).to_be_visible()
        expect(self.nora.locator("table").get_by_text("CSP").first).to_be_visible()
        self.nora.get_by_role("button", name=re.compile("Verify")).click()
        expect(self.nora.get_by_text("The log is whole")).to_be_visible()
        self.shots.take(self.nora, "audit")

    def sign_in(self, page: Page, email: str, password: str) -> None:
        page.goto("/accounts/login/")
        page.get_by_label("E-mail").fill(email)
        page.get_by_label("Password").fill(password)
        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name="Sign out")).to_be_visible()

    def _listen(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(message.text)
