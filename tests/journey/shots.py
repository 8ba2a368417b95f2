"""Pictures of the journey, each page checked by axe when it is taken."""

from __future__ import annotations

import os
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

FOLDER = Path(os.environ.get("MYCELIUM_PICTURES", "var/pictures"))
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


class Shots:
    """Keeps ``<folder>/<name>.png`` at 1280 px; checks the page in both widths and both colour schemes."""

    def __init__(self) -> None:
        FOLDER.mkdir(parents=True, exist_ok=True)
        self._axe = Axe()
        self._number = 0

    def take(self, page: Page, name: str) -> None:
        """Look at the page as it is now, and leave it at 1280 px in the light scheme."""
        self._number += 1
        for width, size in (("narrow", NARROW), ("wide", WIDE)):
            page.set_viewport_size(size)  # type: ignore[arg-type]
            for scheme in ("dark", "light"):
                page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
                self._check(page, f"{name}, {width}, {scheme}")
                if (width, scheme) != ("narrow", "light"):
                    stem = f"{self._number:02}-{name}"
                    suffix = "" if (width, scheme) == ("wide", "light") else f"-{width}-{scheme}"
                    page.screenshot(path=FOLDER / f"{stem}{suffix}.png", full_page=True)

    def _check(self, page: Page, what: str) -> None:
        found = self._axe.run(page)
        assert found.violations_count == 0, f"{what}: {found.generate_report()}"
        width = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert width <= 0, f"{what}: the page is {width} px wider than the window"
