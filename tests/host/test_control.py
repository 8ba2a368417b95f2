"""What may be asked of the host, and what it refuses."""

from __future__ import annotations

import json
import socket
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.host.machine import PATIENCE_SECONDS, Machine
from twins.host.client import HostClient, HostError, HostUnreachable
from twins.host.paths import host_socket, run_dir, socket_of
from twins.runtime.ids import new_ulid

HOSTILE = [
    "",
    "..",
    "../acme",
    "a/b",
    "Acme",
    "-a",
    "a-",
    "a--b",
    "a\n",
    "a" * 41,
    "a.sock",
    "é",
    "host",
    "a\x00b",
]


@pytest.mark.parametrize("slug", HOSTILE)
def test_a_hostile_slug_is_refused_and_makes_nothing(bare_machine: Machine, slug: str) -> None:
    before = sorted(bare_machine.home.rglob("*"))
    for ask in (bare_machine.create, bare_machine.client.wake, bare_machine.client.sleep):
        with pytest.raises(HostError, match="slug"):
            ask(slug)
    assert sorted(bare_machine.home.rglob("*")) == before


def test_creating_twice_is_creating_once(machine: Machine) -> None:
    first = machine.create("acme")
    machine.put("acme", "bolt")
    again = machine.create("acme")
    assert again["twin_id"] == first["twin_id"] == machine.twin("acme").about()["id"]
    assert machine.stock("acme") == ["bolt"]


def test_two_callers_who_create_the_same_twin_at_once_get_the_same_twin(machine: Machine) -> None:
    machine.ids["acme"] = new_ulid()
    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(lambda _: machine.create("acme"), range(4)))
    assert {one["twin_id"] for one in made} == {machine.twin("acme").about()["id"]}


def test_another_id_cannot_take_a_twins_place(machine: Machine) -> None:
    machine.create("acme")
    with pytest.raises(HostError, match="another twin 'acme'"):
        machine.create("acme", new_ulid())


def test_a_creation_that_failed_is_not_in_the_way_of_the_right_one(machine: Machine) -> None:
    with pytest.raises(HostError, match="acme"):
        machine.client.create("acme", "Acme", new_ulid(), {"slices": "none"})
    assert machine.client.list() == []
    machine.create("acme")
    machine.put("acme", "bolt")


def test_what_a_killed_creation_left_is_cleared_away(machine: Machine) -> None:
    machine.kill()
    leftover = machine.folder(".new-acme")
    leftover.mkdir()
    (leftover / "data.key").touch()
    machine.start()
    assert not leftover.exists()
    machine.create("acme")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"{", "not understood"),
        (b"[]", "not understood"),
        (b'{"slug":"acme"}', "`do`"),
        (b'{"do":"remove","slug":"acme"}', "remove"),
        (b'{"do":"wake"}', "`slug`"),
        (b'{"do":"wake","slug":7}', "slug"),
        (b'{"do":"ping","more":1}', "more"),
        (b'{"do":"wake","slug":"nobody"}', "no twin 'nobody'"),
        (b"\xff\xfe", "not understood"),
        (b" " * 5_000_000, "longer than"),
    ],
)
def test_a_bad_request_is_answered_with_a_sentence(bare_machine: Machine, line: bytes, says: str) -> None:
    answer = ask(bare_machine.home, line + b"\n")
    assert says in json.loads(answer)["error"]
    assert bare_machine.client.ping()["ok"] is True


@pytest.mark.parametrize(
    "placement",
    [{"tier": "best"}, {"idle_seconds": -1}, {"module": "../x"}, {"keep_awake": "yes"}, {"colour": "red"}],
)
def test_a_placement_that_makes_no_sense_is_refused(bare_machine: Machine, placement: dict[str, Any]) -> None:
    (field,) = placement
    with pytest.raises(HostError, match=field):
        bare_machine.create("acme", **placement)
    assert bare_machine.client.list() == []


def test_callers_who_hang_up_early_do_no_harm(bare_machine: Machine) -> None:
    for line in (b"", b'{"do":', b'{"do":"list"}\n'):
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect(str(host_socket(bare_machine.home)))
            caller.sendall(line)
    assert bare_machine.client.ping()["twins"] == 0


def test_only_the_hosts_user_reaches_the_sockets(machine: Machine) -> None:
    machine.create("acme")
    assert mode(run_dir(machine.home)) == 0o700
    assert mode(host_socket(machine.home)) == 0o600
    assert mode(socket_of(machine.home, "acme")) == 0o600
    assert mode(machine.folder("acme")) == 0o700
    assert mode(machine.folder("acme") / "placement.json") == 0o600


def test_a_second_host_on_the_same_home_is_refused(machine: Machine) -> None:
    second = machine.start_host()
    _, told = second.communicate(timeout=PATIENCE_SECONDS)
    assert second.returncode == 1
    assert told == f"mycelium-host: another host already serves {machine.home}\n"
    assert machine.client.ping()["pid"] == machine.host.pid


def test_a_home_with_a_very_long_path_works(tmp_path: Path) -> None:
    machine = Machine(tmp_path / ("long-" * 20) / "home")
    machine.start()
    try:
        slug = "x" * 40
        machine.create(slug)
        assert machine.twin(slug).about()["slug"] == slug
        assert mode(run_dir(machine.home)) == 0o700
    finally:
        machine.close()
    assert not run_dir(machine.home).exists()


def test_a_twins_folder_that_was_brought_here_is_served(machine: Machine) -> None:
    machine.create("acme")
    machine.put("acme", "bolt")
    machine.client.sleep("acme")
    machine.kill()
    machine.folder("acme").rename(machine.home / "acme")
    machine.start()
    with pytest.raises(HostError, match="no twin 'acme'"):
        machine.client.wake("acme")
    (machine.home / "acme").rename(machine.folder("acme"))
    machine.client.wake("acme")
    assert machine.stock("acme") == ["bolt"]


def test_a_home_without_a_host_is_told_apart_from_a_refusal(tmp_path: Path) -> None:
    with pytest.raises(HostUnreachable, match=str(tmp_path)):
        HostClient(tmp_path).ping()


def ask(home: Path, line: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as caller, caller.makefile("rb") as answer:
        caller.settimeout(PATIENCE_SECONDS)
        caller.connect(str(host_socket(home)))
        caller.sendall(line)
        return answer.readline()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)
