"""Pages beside the journey: checked by axe, used without scripts, and by keyboard."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.cable import Cable
from tests.journey.shots import Shots
from tests.portalprocess import PortalProcess


class People:
    """Tabs of the demo's people on the running portal."""

    def __init__(self, portal: PortalProcess, browser: Browser) -> None:
        self.portal, self.browser = portal, browser
        self.password: str = json.loads(Path(portal.home, "demo.json").read_text())["password"]
        self.tabs: list[Page] = []

    def tab(self, email: str = "", *, scripts: bool = True, url: str = "") -> Page:
        context = self.browser.new_context(base_url=url or self.portal.url, java_script_enabled=scripts)
        page = context.new_page()
        page.set_default_timeout(20_000)
        self.tabs.append(page)
        if email:
            page.goto("/accounts/login/")
            page.get_by_label("E-mail").fill(email)
            page.get_by_label("Password").fill(self.password)
            page.get_by_role("button", name="Sign in").click()
            expect(page.get_by_role("button", name="Sign out")).to_be_visible()
        return page


@pytest.fixture
def people(running: PortalProcess, browser: Browser) -> Iterator[People]:
    people = People(running, browser)
    yield people
    for page in people.tabs:
        page.context.close()


def test_the_other_pages_have_no_violations(people: People) -> None:
    shots = Shots()
    stranger, dan = people.tab(), people.tab("dan@csp.example")
    cora, olga = people.tab("cora@mycelium.example"), people.tab("olga@forus.example")
    visits = [
        (stranger, ("/patterns/", "/accounts/login/", "/explore/fda/", "/t/csp/", "/nothing/")),
        (
            dan,
            (
                "/accounts/",
                "/console/",
                "/grants/",
                "/ledger/",
                "/desk/",
                "/console/csp/",
                "/console/csp/people/",
            ),
        ),
        (cora, ("/desk/log/",)),
        (olga, ("/ops/",)),
    ]
    for page, addresses in visits:
        for address in addresses:
            page.goto(address)
            shots.take(page, f"page{address.strip('/').replace('/', '-')}")


def test_without_scripts_a_slice_is_asked_for_granted_and_read(people: People) -> None:
    dan = people.tab("dan@csp.example", scripts=False)
    cora = people.tab("cora@mycelium.example", scripts=False)
    dan.goto("/?q=accord")
    dan.get_by_role("link", name="Accord Healthcare, Inc.").click()
    dan.get_by_role("link", name="Request a grant").click()
    dan.get_by_label("Purpose").fill("Price comparison")
    dan.get_by_role("button", name="Send the request").click()
    cora.goto("/grants/")
    cora.locator("#main a", has_text="Accord").first.click()
    cora.get_by_role("button", name="Grant it").click()
    expect(cora.locator("#grant-state")).to_have_text("Active")
    dan.reload()
    dan.get_by_role("link", name="Read it").click()
    expect(dan.locator("#slice-rows tr").nth(10)).to_be_visible()
    cora.get_by_label("Reason").select_option("data withdrawn")
    cora.get_by_role("button", name="Revoke now").click()
    dan.reload()
    expect(dan.get_by_text("data withdrawn").first).to_be_visible()
    expect(dan.locator("#slice-rows tr")).to_have_count(0)


def test_by_keyboard_a_twin_is_found_and_opened(people: People) -> None:
    page = people.tab()
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox", name="Find a twin")).to_be_focused()
    page.keyboard.type("perrigo")
    page.keyboard.press("Enter")
    page.wait_for_url("**/?q=perrigo")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "Perrigo Company":
            break
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Perrigo Company")


def test_the_page_comes_back_when_the_network_does(people: People) -> None:
    cable = Cable(urlsplit(people.portal.url).port or 0)
    cora = people.tab("cora@mycelium.example", url=f"http://127.0.0.1:{cable.port}")
    cora.goto("/desk/")
    mark = cora.locator("#live-mark")
    expect(mark).to_have_text("Live")
    cable.cut()
    expect(mark).to_contain_text("Reconnecting")
    cable.mend()
    expect(mark).to_have_text("Live")
    cable.close()


def test_a_script_that_comes_late_does_not_leave_the_page_silent(people: People) -> None:
    def late(route: Route) -> None:
        time.sleep(1)
        route.continue_()

    cora = people.tab("cora@mycelium.example")
    cora.route("**/hx-ws*", late)
    cora.goto("/desk/")
    expect(cora.locator("#live-mark")).to_have_text("Live")


def test_signing_out_in_one_tab_ends_the_live_pages_of_the_others(people: People) -> None:
    cora = people.tab("cora@mycelium.example")
    cora.goto("/desk/")
    expect(cora.locator("#live-mark")).to_have_text("Live")
    other = cora.context.new_page()
    other.goto("/")
    other.get_by_role("button", name="Sign out").click()
    expect(cora.locator("#live-mark")).to_contain_text("Signed out")
