"""Sleeping twins whose senses are due wake by themselves, also on a new host."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.host.feed import Feed
from tests.host.machine import Machine, eventually, kill


@pytest.fixture
def feed() -> Iterator[Feed]:
    with Feed() as served:
        yield served


@pytest.fixture
def fed(feed: Feed) -> Iterator[Machine]:
    """A machine whose twins may look at the feed."""
    with TemporaryDirectory() as folder:
        machine = Machine(Path(folder) / "home", "--allow", "127.0.0.0/8", "--allow-port", str(feed.port))
        machine.start()
        yield machine
        machine.close()


def test_a_sleeping_twin_wakes_when_its_sense_is_due(fed: Machine, feed: Feed) -> None:
    fed.create("acme", idle_seconds=0.1)
    fed.sense("acme", feed.url, every=1)
    pids = set()

    def looked_again_in_another_life() -> bool:
        pids.add(fed.status("acme")["pid"])
        return feed.looks >= 3 and len(pids - {None}) >= 2

    eventually(looked_again_in_another_life)
    assert fed.stock("acme") == ["nut"]


def test_a_sense_that_became_due_while_there_was_no_host_looks_when_there_is_one(
    fed: Machine, feed: Feed
) -> None:
    fed.create("acme")
    fed.sense("acme", feed.url, every=2)
    eventually(lambda: feed.looks == 1)
    fed.close()
    before = feed.looks
    fed.start()
    eventually(lambda: feed.looks > before)


def test_a_twin_that_says_nonsense_about_when_it_is_due_harms_nobody(machine: Machine) -> None:
    words = [b"", b"soon", b"-1", b"9" * 20, b"9" * 400]
    for number, word in enumerate(words):
        machine.create(f"acme-{number}")
        (machine.folder(f"acme-{number}") / "due").write_bytes(word)
    # Neither a pipe nor a link is followed.
    for slug in ("beta", "core"):
        machine.create(slug)
    os.mkfifo(machine.folder("beta") / "due")
    (machine.folder("core") / "due").symlink_to("/etc/hostname")
    machine.close()
    machine.start()
    assert [one["state"] for one in machine.client.list()] == ["asleep"] * 7
    machine.put("acme-3", "bolt")


def test_the_list_says_how_a_twin_ended_and_since_when(machine: Machine) -> None:
    machine.create("acme", keep_awake=True)
    first = machine.status("acme")
    assert (first["failures"], first["last_exit"]) == (0, None)
    kill(first["pid"])
    eventually(lambda: machine.status("acme")["pid"] not in (None, first["pid"]))
    again = machine.status("acme")
    assert (again["state"], again["failures"], again["last_exit"]) == ("awake", 1, -9)
    assert again["since"] > first["since"]
