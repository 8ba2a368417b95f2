"""The seven steps of the main job, in a real browser, on ``manage.py up``."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.journey.shots import Shots
from tests.journey.story import Story
from tests.portalprocess import PortalProcess
from tests.wellknown import site

OWN = {
    "catalogue": [{"id": "own-1", "name": "Owned ointment"}, {"id": "own-2", "name": "Owned syrup"}],
    "recalls": [],
}


@pytest.fixture
def story(running: PortalProcess, browser: Browser) -> Iterator[Story]:
    story = Story(running, browser, Shots())
    yield story
    print("console errors:", story.errors)
    print(running.log[-4000:])
    story.close()


def test_claim_a_twin_grant_a_slice_watch_it_live_revoke_it(story: Story) -> None:
    with site() as domain:
        domain.files["/own.json"] = json.dumps(OWN)
        story.look_around()
        story.sign_up_and_start_the_claim(domain)
        story.prove_control(domain)
        story.decide_at_the_desk()
        story.watch_the_handover()
        story.sign_in_the_reader()
        story.ask_for("Catalogue", "Price comparison for hospitals")
        story.approve("catalogue")
        story.ask_for("Recalls", "Recall alerts for hospitals")
        story.approve_for("recalls", seconds=25)
        story.open_the_slice("recalls", "Nasal Spray")
        story.see_it_end_by_itself()
        story.open_the_slice("catalogue", "Cyclosporine")
        story.change_an_object("0574-0866", "Cyclosporine, renamed by its owner")
        story.replace_the_source(domain)
        story.revoke("catalogue")
        story.read_the_audit()
        assert story.errors == []
