"""What a twin that somebody has taken over can do to others, and that it loses nothing that it needs."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.host import probe
from tests.host.feed import Feed
from tests.host.machine import PATIENCE_SECONDS, ROOT, Machine, eventually
from tests.runtime.transitserver import TOKEN, Transit, serving
from twins.host.paths import host_socket, socket_of, twins_dir
from twins.runtime.cli import main

PROBE = "tests.host.probe"
AS_ROOT = os.geteuid() == 0


@pytest.fixture(scope="module")
def sockets() -> Iterator[dict[str, Any]]:
    """A TCP port that no sense may reach, one that senses may, and an abstract unix socket."""
    with ExitStack() as stack:
        ports = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2)]
        abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
        abstract.bind(f"\0mycelium-test-{os.getpid()}")
        abstract.listen()
        other, feed = (one.getsockname()[1] for one in ports)
        yield {"port": other, "feed": feed, "abstract": f"mycelium-test-{os.getpid()}"}


@pytest.fixture(scope="module")
def guarded(sockets: dict[str, Any]) -> Iterator[Machine]:
    with TemporaryDirectory() as folder:
        machine = Machine(Path(folder) / "home", "--allow-port", str(sockets["feed"]))
        machine.start()
        yield machine
        machine.close()


@pytest.mark.parametrize("tier", ["shared", "dedicated"])
def test_a_twin_that_was_taken_over_reaches_nobody_else(
    guarded: Machine, sockets: dict[str, Any], tier: str
) -> None:
    slug = f"taken-{tier}"
    guarded.create(slug, module=PROBE, tier=tier)
    guarded.create("beta")
    guarded.put("beta", "bolt")
    target = {
        "neighbour": str(guarded.folder("beta")),
        "pid": guarded.status("beta")["pid"],
        "socket": str(socket_of(guarded.home, "beta")),
        "host_socket": str(host_socket(guarded.home)),
        "parent": guarded.host.pid,
        **sockets,
    }
    found = guarded.twin(slug).call("attempt", {"target": target}).result
    assert {name for name, outcome in found.items() if outcome == "done"} == probe.ALLOWED, found
    assert guarded.stock("beta") == ["bolt"]


def test_an_ordinary_users_twin_reaches_nobody_else_either(sockets: dict[str, Any]) -> None:
    with TemporaryDirectory() as folder:
        own, neighbour = Path(folder) / "own", Path(folder) / "neighbour"
        (neighbour / "keys").mkdir(parents=True)
        (neighbour / "keys" / "data.key").touch()
        (neighbour / "lock").touch()
        own.mkdir()
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(neighbour / "sock"))
        listener.listen()
        if AS_ROOT:
            # All is the same user's, as it is where a host is not root's.
            for path in (Path(folder), *Path(folder).rglob("*")):
                os.chown(path, probe.NOBODY, probe.NOBODY)
        target = {
            "neighbour": str(neighbour),
            "pid": os.getpid(),
            "socket": str(neighbour / "sock"),
            "host_socket": str(neighbour / "sock"),
            "parent": os.getpid(),
            **sockets,
        }
        done = subprocess.run(
            [sys.executable, "-m", PROBE],
            cwd=own,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            input=json.dumps(target),
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        listener.close()
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["missing"] == []
    outcomes = found["outcomes"]
    assert {name for name, outcome in outcomes.items() if outcome == "done"} == probe.ALLOWED, outcomes


def test_a_whole_life_in_the_sandbox_loads_no_code(machine: Machine) -> None:
    with Feed() as feed:
        machine.options = ("--allow", "127.0.0.0/8", "--allow-port", str(feed.port))
        machine.close()
        machine.start()
        machine.create("acme", module=PROBE)
        machine.put("acme", "bolt")
        twin = machine.twin("acme")
        machine.sense("acme", feed.url, every=3600)
        eventually(lambda: machine.stock("acme") == ["bolt", "nut"])
        asyncio.run(machine.watch("acme"))
        for path in ("/v1/log", "/v1/verify", "/v1/grants", "/v1/people", "/v1/senses", "/v1/slices"):
            assert twin.get(path)
        twin.call("rotate_key", {})
        machine.put_at_once("acme", [f"nail{n}" for n in range(64)])
        assert twin.call("way_to_disk", {}).result == "AioDisk"
        machine.client.sleep("acme")
    assert (machine.folder("acme") / "imports").read_text().splitlines() == []


@pytest.mark.skipif(not AS_ROOT, reason="only root gives users away")
def test_each_twin_has_a_user_of_its_own_and_cannot_take_another(machine: Machine) -> None:
    for slug in ("acme", "beta"):
        machine.create(slug, module=PROBE)
    users = {slug: machine.status(slug)["placement"]["user"] for slug in ("acme", "beta")}
    assert len({*users.values()}) == 2
    assert all(user > 200_000 for user in users.values())
    assert machine.twin("acme").call("layout", {}).result["user"] == users["acme"]
    assert (machine.folder("acme") / "lock").stat().st_uid == users["acme"]
    before = (machine.folder("acme") / "placement.json").read_bytes()
    assert machine.twin("acme").call("replace_placement", {}).result.startswith("PermissionError")
    assert (machine.folder("acme") / "placement.json").read_bytes() == before
    machine.put("acme", "bolt")
    machine.put("beta", "nut")
    machine.close()
    file = machine.folder("beta") / "placement.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"user": users["acme"]}))
    machine.start()
    again = {slug: machine.status(slug)["placement"]["user"] for slug in ("acme", "beta")}
    assert again["acme"] == users["acme"]
    assert again["beta"] not in (users["acme"], 0, None)
    assert (machine.stock("acme"), machine.stock("beta")) == (["bolt"], ["nut"])


@pytest.mark.skipif(not AS_ROOT, reason="only root gives users away")
def test_a_file_that_belongs_to_others_too_is_not_given_to_a_twin(guarded: Machine) -> None:
    guarded.create("linked")
    secret = guarded.home / "secret"
    secret.write_text("of root")
    (guarded.folder("linked") / "log" / "x").hardlink_to(secret)
    guarded.client.wake("linked")
    eventually(lambda: guarded.status("linked")["state"] == "failed")
    assert secret.stat().st_uid == 0


def test_the_host_says_what_is_in_force(guarded: Machine) -> None:
    told = guarded.client.ping()["sandbox"]
    assert told["seccomp"] is True
    assert told["missing"] == []


def test_the_doctor_finds_nothing_wrong_with_a_living_host_and_a_stale_socket_of_a_dead_one(
    machine: Machine,
) -> None:
    machine.create("acme")
    machine.put("acme", "bolt")
    living = doctor(machine)
    assert all(fine for _, fine, _ in living), living
    assert ["processes", True, "1 twins of this home awake"] in living
    machine.kill()
    eventually(lambda: not machine.session())
    dead = {name: fine for name, fine, _ in doctor(machine)}
    assert (dead["host"], dead["sockets"], dead["sandbox"]) == (False, False, True)


def test_a_twin_whose_vault_the_sandbox_cannot_reach_is_refused_with_a_sentence(machine: Machine) -> None:
    machine.create("acme")
    box = machine.folder("acme") / "keys" / "vault.json"
    settings = {"module": "/usr/lib/token.so", "token": "t", "key": "k", "pin": "pin"}
    box.write_text(json.dumps(json.loads(box.read_text()) | {"kind": "pkcs11", "settings": settings}))
    machine.client.wake("acme")
    eventually(lambda: machine.status("acme")["last_exit"] == 69)
    machine.host.terminate()
    _, told = machine.host.communicate(timeout=PATIENCE_SECONDS)
    assert "the vault pkcs11 needs a library and files that the sandbox keeps from a twin" in told
    assert "Traceback" not in told


def test_a_twin_asks_a_transit_vault_through_its_sandbox_where_that_port_is_allowed(tmp_path: Path) -> None:
    with serving(tmp_path, Transit()) as transit, TemporaryDirectory() as folder:
        machine = Machine(Path(folder) / "home", "--allow-port", transit.url.rpartition(":")[2])
        machine.start()
        for slug in ("acme", "beta"):
            machine.create(slug)
        keys = machine.folder("acme") / "keys"
        (keys / "token").touch(0o600)
        (keys / "token").write_text(TOKEN)
        shutil.copy(tmp_path / "ca.pem", keys)
        settings = {"url": transit.url, "key": "twins", "token": "token", "ca": "ca.pem"}
        moved = ["vault", "rewrap", str(keys.parent), "--to", "transit"]
        assert main([*moved, *(f"--set={name}={value}" for name, value in settings.items())]) == 0
        machine.put("acme", "bolt")
        assert machine.stock("acme") == ["bolt"]
        assert transit.asked[-1].endswith("decrypt/twins")
        other = {"kind": "transit", "settings": {**settings, "url": "https://127.0.0.1:9"}}
        box = machine.folder("beta") / "keys" / "vault.json"
        box.write_text(json.dumps(json.loads((keys / box.name).read_text()) | other))
        for name in ("token", "ca.pem"):
            shutil.copy(keys / name, box.parent)
        machine.client.wake("beta")
        eventually(lambda: machine.status("beta")["last_exit"] == 69)
        confined = not machine.client.ping()["sandbox"]["missing"]
        machine.host.terminate()
        _, told = machine.host.communicate(timeout=PATIENCE_SECONDS)
    assert "the vault at https://127.0.0.1:9 cannot be reached: " in told
    assert not confined or "this process may not connect to its port; a sandbox needs --allow-port" in told
    assert "Traceback" not in told


def test_a_standalone_runtime_confines_itself(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    twin = twins_dir(tmp_path) / "acme"
    machine.make("acme")
    address = tmp_path / "acme.sock"
    command = [sys.executable, "-m", "twins.runtime", "serve", str(twin), "--uds", str(address)]
    process = subprocess.Popen([*command, "--require-sandbox", "--allow-port", "8443"], cwd=ROOT)
    try:
        eventually(lambda: status_of(process.pid, "Seccomp") == "2")
        eventually(address.exists)
        assert machine.twin_at("acme", address).about()["slug"] == "acme"
        assert status_of(process.pid, "NoNewPrivs") == "1"
    finally:
        process.terminate()
    assert process.wait(PATIENCE_SECONDS) == 0


def doctor(machine: Machine) -> list[list[Any]]:
    command = [sys.executable, "-m", "twins.host", "doctor", "--home", str(machine.home), "--json"]
    told = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )
    findings: list[list[Any]] = json.loads(told.stdout)
    assert told.returncode == (0 if all(fine for _, fine, _ in findings) else 1)
    return findings


def status_of(pid: int, field: str) -> str:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith(f"{field}:"))
