"""Twins for the tests of the runtime."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.faults import build
from tests.runtime.logs import SMALL, Open, put
from tests.runtime.logs import make as make_log
from tests.runtime.machine import Machine

Make = Callable[..., Machine]


@pytest.fixture
def place() -> Iterator[Path]:
    """A short directory: a unix socket's path holds about a hundred characters."""
    directory = Path(tempfile.mkdtemp(prefix="twin-"))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def make(place: Path) -> Iterator[Make]:
    """Make twins that end with the test."""
    machines: list[Machine] = []

    def made(**genesis: Any) -> Machine:
        home = place / str(len(machines))
        home.mkdir()
        machines.append(Machine.make(home, **genesis))
        return machines[-1]

    yield made
    for machine in machines:
        if machine.process is not None and machine.process.poll() is None:
            machine.kill()


@pytest.fixture(scope="module")
def standing() -> Iterator[Machine]:
    """A twin that a module's tests share: for what is refused, and so changes nothing."""
    directory = Path(tempfile.mkdtemp(prefix="twin-"))
    machine = Machine.make(directory).start()
    yield machine
    machine.kill()
    shutil.rmtree(directory)


@pytest.fixture
def twin(make: Make) -> Machine:
    """A twin that is served."""
    return make().start()


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The failing disk, as a library to preload."""
    return build(tmp_path_factory.mktemp("shim"))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A log of nine records in several segments."""
    Open(make_log(tmp_path), segment_bytes=SMALL).write([[put(f"k{n}")] for n in range(8)])
    return tmp_path
