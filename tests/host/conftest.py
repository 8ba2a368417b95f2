"""Fixtures of the host's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.host.machine import Machine


@pytest.fixture
def machine() -> Iterator[Machine]:
    """A machine without twins, with its host."""
    yield from _machine()


@pytest.fixture(scope="module")
def bare_machine() -> Iterator[Machine]:
    """The same for tests that end as they began: without twins."""
    yield from _machine()


@pytest.fixture
def small_machine() -> Iterator[Machine]:
    """A machine without twins, on which two twins may be awake."""
    yield from _machine("--most-awake", "2")


def _machine(*options: str) -> Iterator[Machine]:
    # Not tmp_path: its length would move the sockets out of the home.
    with TemporaryDirectory() as folder:
        machine = Machine(Path(folder) / "home", *options)
        machine.start()
        yield machine
        machine.close()
