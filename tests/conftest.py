"""Fixtures for every area: a home, a port, a running portal and a browser."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.test import override_settings
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from tests.portalprocess import PortalProcess

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytest_plugins = ["tests.cast"]
pytest_plugins = ["tests.cast"]

hypothesis_settings.register_profile("mycelium", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("mycelium")

FAST_PASSWORDS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
PLAIN_STATIC = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests come last: Playwright keeps a loop in this thread, where others start their own."""
    items.sort(key=lambda item: "browser" in getattr(item, "fixturenames", ()))
    if not os.environ.get("REDIS_URL"):
        items[:] = [item for item in items if "redis" not in item.keywords]


@pytest.fixture(scope="session", autouse=True)
def quick_settings() -> Iterator[None]:
    """What only costs time in tests: slow password hashes, and names of static files that need a manifest."""
    with override_settings(PASSWORD_HASHERS=FAST_PASSWORDS, STORAGES=PLAIN_STATIC, KEYRING_SCRYPT_N=2**4):
        yield


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty MYCELIUM_HOME for a program that the test starts."""
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def free_port() -> int:
    """A TCP port of this machine that nobody listens on."""
    return unused_port()


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PortalProcess]:
    """`manage.py up` with the demo mesh, once per run: the very command of the README."""
    with PortalProcess(tmp_path_factory.mktemp("portal"), unused_port()) as portal:
        portal.wait_until_ready()
        yield portal


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium as the system has it; without it the browser tests are skipped, and in CI they fail."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        missing = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        missing("no chromium on this machine")
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=20_000)
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=CHROMIUM_FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """An empty tab of a browser without a past."""
    context = browser.new_context()
    tab = context.new_page()
    tab.set_default_timeout(15_000)
    yield tab
    context.close()


def unused_port() -> int:
    """Asks the kernel for a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
