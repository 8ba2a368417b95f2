"""Vaults: no key lies on the disk in the clear, another takes over without touching the log, and a vault
that does not open keeps the twin shut, with a plain reason.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.conftest import Make
from tests.runtime.forked import run
from tests.runtime.machine import Machine
from tests.runtime.transitserver import TOKEN, Transit, serving
from twins.runtime.keys import KeyStore, KeysUnusable
from twins.runtime.keytree import Shredded
from twins.runtime.vault.box import Box

SOFTHSM = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN = "31415926"


def rewrap(machine: Machine, kind: str, settings: dict[str, str]) -> subprocess.CompletedProcess[str]:
    pairs = [f"--set={name}={value}" for name, value in settings.items()]
    return run(["vault", "rewrap", str(machine.directory), "--to", kind, *pairs])


def secrets(machine: Machine) -> list[bytes]:
    """Everything that must lie nowhere in the clear."""
    keys = KeyStore(machine.directory)
    (signing,) = keys.directory.glob("*.signing")
    return [keys.data_key(), keys.snapshot_key(), keys.signing_key(signing.stem), keys.part_key(1, 0)]


def on_disk(machine: Machine) -> bytes:
    return b"".join(path.read_bytes() for path in machine.directory.rglob("*") if path.is_file())


def write_secret(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


@pytest.fixture
def transit(place: Path) -> Iterator[Transit]:
    with serving(place, Transit()) as server:
        yield server


@pytest.fixture
def transit_settings(place: Path, transit: Transit) -> dict[str, str]:
    token = write_secret(place / "token", TOKEN)
    return {"url": transit.url, "key": "twins", "token": str(token), "ca": str(place / "ca.pem")}


@pytest.fixture(scope="module")
def token_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A token of SoftHSM; one for all tests, as a process reads SoftHSM's settings once."""
    if not SOFTHSM.exists() or shutil.which("softhsm2-util") is None:
        pytest.skip("softhsm2 is not installed")
    place = tmp_path_factory.mktemp("softhsm")
    (place / "tokens").mkdir()
    (place / "softhsm2.conf").write_text(f"directories.tokendir = {place / 'tokens'}\nlog.level = ERROR\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(place / "softhsm2.conf"))
        made = ["--init-token", "--free", "--label", "twins", "--pin", PIN, "--so-pin", PIN]
        subprocess.run(["softhsm2-util", *made], check=True, capture_output=True)
        pin = write_secret(place / "pin", f"{PIN}\n")
        yield {"module": str(SOFTHSM), "token": "twins", "key": "mycelium", "pin": str(pin)}


@pytest.mark.parametrize("vault", ["transit_settings", "token_settings"])
def test_a_twin_moves_to_another_vault_and_back_and_its_log_does_not_change(
    make: Make, vault: str, request: pytest.FixtureRequest
) -> None:
    machine = make().start()
    machine.mine.call("put", {"slice": "catalogue", "id": "kept", "body": {}})
    machine.stop()
    inside = secrets(machine)
    log = {path: path.read_bytes() for path in (machine.directory / "log").iterdir()}
    kind, settings = vault.split("_", maxsplit=1)[0], request.getfixturevalue(vault)
    moved = rewrap(machine, "pkcs11" if kind == "token" else kind, settings)
    assert (moved.returncode, moved.stderr) == (0, "")
    assert {path: path.read_bytes() for path in log} == log
    assert not (machine.directory / "keys" / "vault.key").exists()
    assert machine.start().mine.object("catalogue", "kept")["body"] == {}
    assert machine.stop() == 0
    assert secrets(machine) == inside
    assert not [one for one in (*inside, TOKEN.encode(), PIN.encode()) if one in on_disk(machine)]
    assert rewrap(machine, "file", {}).returncode == 0
    assert secrets(machine) == inside
    assert machine.run("verify").returncode == 0


def test_a_vault_of_the_kind_file_can_lie_on_another_disk(make: Make, place: Path) -> None:
    machine = make()
    elsewhere = place / "elsewhere" / "acme.key"
    elsewhere.parent.mkdir()
    assert rewrap(machine, "file", {"path": str(elsewhere)}).returncode == 0
    assert not [one for one in secrets(machine) if one in on_disk(machine)]
    hidden = elsewhere.rename(place / "hidden")
    process = machine.spawn()
    assert process.wait(30) == 69
    assert "acme.key cannot be read" in machine.errors.read_text()
    hidden.rename(elsewhere)
    machine.start()


def test_a_vault_that_does_not_open_leaves_the_present_one_in_charge(
    make: Make, transit: Transit, transit_settings: dict[str, str], place: Path
) -> None:
    machine = make()
    wrong = write_secret(place / "wrong", "hvs.another")
    (place / "open").write_text(TOKEN)
    refusals: list[tuple[dict[str, str], str]] = [
        ({"token": str(wrong)}, "status 403"),
        ({"key": "unknown"}, "status 404"),
        ({"url": "https://127.0.0.1:1"}, "cannot be reached"),
        ({"url": "http://vault.example:8200"}, "must be such as https://"),
        ({"token": str(place / "none")}, "none cannot be read"),
        ({"token": str(place / "open")}, "chmod 600"),
        ({"ca": "/etc/ssl/certs/ca-certificates.crt"}, "CERTIFICATE_VERIFY_FAILED"),
        ({"tokens": "x"}, "tokens"),
    ]
    before = machine.directory.joinpath("keys", "vault.json").read_bytes()
    for change, words in refusals:
        with pytest.raises(KeysUnusable) as caught:
            KeyStore(machine.directory).box.rewrap("transit", {**transit_settings, **change})
        assert words in str(caught.value)
        assert TOKEN not in str(caught.value)
    refused = rewrap(machine, "transit", {**transit_settings, "token": str(wrong)})
    assert (refused.returncode, "status 403" in refused.stderr) == (1, True)
    assert "Traceback" not in refused.stderr
    assert rewrap(machine, "nowhere", {}).returncode == 2
    assert machine.directory.joinpath("keys", "vault.json").read_bytes() == before
    machine.start()


def test_a_twin_stays_shut_while_its_vault_is_away_or_lies(
    make: Make, transit: Transit, transit_settings: dict[str, str]
) -> None:
    machine = make()
    KeyStore(machine.directory).box.rewrap("transit", transit_settings)
    lies: list[tuple[bytes | None, str]] = [
        (b'{"data":{"plaintext":"%s"}}' % (b"QUFB" * 22), "not this twin's secret"),
        (b'{"data":{}}', "without a plaintext"),
        (b'{"data":{"plaintext":"%%%"}}', "not Base64"),
        (b"<html>", "without a plaintext"),
    ]
    for answer, words in lies:
        transit.answer = answer
        with pytest.raises(KeysUnusable, match=words):
            KeyStore(machine.directory).data_key()
    transit.answer, right = None, transit.key
    transit.key = os.urandom(32)
    with pytest.raises(KeysUnusable, match="status 400"):
        KeyStore(machine.directory).data_key()
    transit.key = right
    path = machine.directory / "keys" / "vault.json"
    path.write_text(path.read_text().replace(transit.url, "https://127.0.0.1:1"))
    assert machine.spawn().wait(30) == 69
    assert "cannot be reached" in machine.errors.read_text()


def test_a_wrong_pin_and_a_missing_key_are_said_plainly(
    make: Make, token_settings: dict[str, str], place: Path
) -> None:
    machine = make()
    wrong = write_secret(place / "wrong", "00000000")
    for change, words in (
        ({"pin": str(wrong)}, "PinIncorrect"),
        ({"token": "other"}, "NoSuchToken"),
        ({"module": "/nowhere.so"}, "/nowhere.so is not there"),
    ):
        with pytest.raises(KeysUnusable, match=words):
            KeyStore(machine.directory).box.rewrap("pkcs11", {**token_settings, **change})
    KeyStore(machine.directory).box.rewrap("pkcs11", token_settings)
    path = machine.directory / "keys" / "vault.json"
    path.write_text(path.read_text().replace('"mycelium"', '"gone"'))
    with pytest.raises(KeysUnusable, match="has no AES key gone"):
        KeyStore(machine.directory).data_key()


def test_a_secret_comes_from_systemd_without_its_text_in_the_environment(
    make: Make,
    place: Path,
    transit: Transit,
    transit_settings: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine = make()
    named = {**transit_settings, "token": "credential:token"}
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert "LoadCredential=" in rewrap(machine, "transit", named).stderr
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(place))
    assert rewrap(machine, "transit", named).returncode == 0
    assert transit.asked


def test_a_running_twin_is_not_moved_to_another_vault(twin: Machine, place: Path) -> None:
    refused = rewrap(twin, "file", {"path": str(place / "x")})
    assert (refused.returncode, "another process has this twin open" in refused.stderr) == (1, True)


def test_punctured_keys_are_gone_after_a_restart_and_also_when_a_crash_came_between(make: Make) -> None:
    machine = make()
    keys = KeyStore(machine.directory)
    data_key, gone, stays = keys.data_key(), (7, 0), keys.part_key(7, 3)
    before = {path: path.read_bytes() for path in keys.directory.iterdir()}
    keys.puncture([gone])
    for store in (keys, KeyStore(machine.directory)):
        assert (store.data_key(), store.part_key(7, 3)) == (data_key, stays)
        with pytest.raises(Shredded):
            store.part_key(*gone)
    (tree,) = keys.directory.glob("tree-*")
    assert tree not in before
    (old,) = (path for path in before if path.name.startswith("tree-"))
    old.write_bytes(before[old])
    KeyStore(machine.directory).sweep()
    assert not old.exists()
    machine.start()


@pytest.mark.parametrize("name", ["vault.json", "vault.key", "tree-*", "*.signing"])
def test_every_key_file_that_is_damaged_is_named(make: Make, name: str) -> None:
    machine = make()
    (path,) = (machine.directory / "keys").glob(name)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    done = machine.run("doctor")
    assert done.returncode == 1
    named = "vault" if name.startswith("vault") else path.name
    assert [line for line in done.stdout.splitlines() if line.startswith("fail") and named in line]
    assert machine.spawn().wait(30) == 69


def shown(machine: Machine) -> list[dict[str, Any]]:
    newest = machine.mine.get("/v1/log", {"limit": 1000})["records"]
    return [row for row in newest if row["caller"] == "agent:vault"]


def test_every_start_and_every_command_that_opens_the_keys_is_in_the_log(make: Make) -> None:
    machine = make()
    assert machine.run("verify").returncode == 0
    machine.start()
    machine.run("token", "--as", "user:anna")
    machine.run("audit")
    while len(shown(machine)) < 4:
        assert machine.process is not None
        assert machine.process.poll() is None
    rows = shown(machine)
    assert [row["args"].get("command", row["reducer"]) for row in rows] == [
        "unlocked",
        "verify",
        "token --as user:anna",
        "audit",
    ]
    assert rows[0]["args"] == {"vault": "file"}
    assert f"({os.getuid()})" in rows[1]["args"]["who"]
    assert rows[1]["args"]["at"] < rows[0]["time"]
    machine.kill()
    machine.start()
    assert [row["reducer"] for row in shown(machine)][-1] == "unlocked"
    assert len(shown(machine)) == 5


def test_a_command_that_cannot_leave_its_line_does_not_open_the_keys(make: Make) -> None:
    machine = make()
    (machine.directory / "keys" / "uses").mkdir()
    refused = machine.run("audit")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "uses" in refused.stderr


def test_the_box_says_what_is_wrong_with_its_file(place: Path) -> None:
    box = Box(place)
    with pytest.raises(KeysUnusable, match=r"vault\.json cannot be read"):
        box.open()
    for text in ("{", "[]", json.dumps({"kind": "file", "settings": {"x": 1}}), json.dumps({"kind": "x"})):
        box.path.write_text(text)
        with pytest.raises(KeysUnusable):
            box.open()
