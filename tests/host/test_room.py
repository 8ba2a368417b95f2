"""A host keeps only so many twins awake, and every caller is answered all the same."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.host.machine import PATIENCE_SECONDS, ROOT, Machine

SLUGS = ("acme", "beta", "core", "dune")


def test_four_twins_that_are_called_at_once_all_answer_where_two_may_be_awake(small_machine: Machine) -> None:
    for slug in SLUGS:
        small_machine.create(slug)
        small_machine.put(slug, f"bolt-of-{slug}")
    with ThreadPoolExecutor(8) as callers:
        asked = [(slug, callers.submit(small_machine.stock, slug)) for slug in SLUGS * 3]
        counts = twins_while(small_machine, [answer for _, answer in asked])
    assert all(answer.result() == [f"bolt-of-{slug}"] for slug, answer in asked)
    assert 0 < max(counts) <= 2
    listed = small_machine.client.list()
    assert [one["slug"] for one in listed] == list(SLUGS)
    assert 0 < sum(one["state"] == "awake" for one in listed) <= 2


def test_the_twin_that_woke_first_makes_room(small_machine: Machine) -> None:
    for slug in SLUGS[:3]:
        small_machine.create(slug)
        assert small_machine.client.wake(slug)["state"] == "awake"
    assert states(small_machine) == {"acme": "asleep", "beta": "awake", "core": "awake"}


def test_a_twin_that_is_kept_awake_makes_no_room(small_machine: Machine) -> None:
    small_machine.create("acme", keep_awake=True)
    for slug in ("beta", "core"):
        small_machine.create(slug)
        small_machine.client.wake(slug)
    assert states(small_machine) == {"acme": "awake", "beta": "asleep", "core": "awake"}


def test_where_all_are_kept_awake_another_wakes_anyway(small_machine: Machine) -> None:
    for slug in SLUGS[:3]:
        assert small_machine.create(slug, keep_awake=True)["state"] == "awake"
    small_machine.create("dune")
    assert small_machine.client.wake("dune")["state"] == "awake"
    assert set(states(small_machine).values()) == {"awake"}


@pytest.mark.parametrize("number", ["0", "-1", "many", "1.5"])
def test_a_limit_that_is_no_number_of_twins_is_refused(number: str) -> None:
    command = [sys.executable, "-m", "twins.host", "serve", "--home", "unused", f"--most-awake={number}"]
    told = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )
    assert told.returncode == 2
    assert f"{number!r} is not a number of twins: expected 1 or more" in told.stderr


def twins_while(machine: Machine, answers: list[Future[list[str]]]) -> list[int]:
    """How many twins' processes ran, counted again and again until every answer is there."""
    counts = [len(machine.session() - {machine.host.pid})]
    while not all(answer.done() for answer in answers):
        counts.append(len(machine.session() - {machine.host.pid}))
    return counts


def states(machine: Machine) -> dict[str, str]:
    return {one["slug"]: one["state"] for one in machine.client.list()}
