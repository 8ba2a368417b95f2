"""The process and its command line: files, secrets, sleep, and plain words for what is wrong."""

from __future__ import annotations

import csv
import http.client
import io
import json
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.runtime.conftest import Make
from tests.runtime.machine import Machine, entry, person
from twins.runtime.client import TokenSigner, TwinUnreachable
from twins.runtime.ids import is_ulid, new_ulid, new_uuid7, ulid_of
from twins.runtime.init import TwinExists, create
from twins.runtime.keys import KeyStore
from twins.runtime.log.segments import path_of
from twins.runtime.problems import Problem


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_twins_files_are_nobody_elses(twin: Machine) -> None:
    twin.mine.call("rotate_key", {})
    twin.stop()
    everything = [twin.directory, *twin.directory.rglob("*")]
    assert {mode(path) for path in everything if path.is_dir()} == {0o700}
    assert {mode(path) for path in everything if path.is_file()} == {0o600}
    assert mode(twin.socket) == 0o600


def test_no_secret_reaches_a_log_or_the_disk_in_the_clear(make: Make) -> None:
    machine = make().start(fresh=True)
    token = machine.owner.token(machine.id)
    secret = "a-very-special-object"
    machine.mine.call("put", {"slice": "catalogue", "id": secret, "body": {}})
    assert machine.process is not None
    seen = Path(f"/proc/{machine.process.pid}/cmdline").read_bytes()
    seen += Path(f"/proc/{machine.process.pid}/environ").read_bytes()
    kid = machine.client(None).about()["kid"]
    machine.stop()
    seen += machine.errors.read_bytes() + machine.run("audit").stdout.encode()
    disk = b"".join(path.read_bytes() for path in machine.directory.rglob("*") if path.is_file())
    keys = KeyStore(machine.directory)
    seed = keys.signing_key(kid)
    for private in (token.encode(), machine.owner.key, seed, keys.data_key()):
        assert private not in seen + disk
        assert private.hex().encode() not in seen + disk
    assert secret.encode() not in disk


def test_an_idle_twin_ends_cleanly_and_a_busy_one_does_not(make: Make) -> None:
    machine = make().start("--idle", "0.6")
    until = time.monotonic() + 1.5
    while time.monotonic() < until:
        machine.mine.about()
        time.sleep(0.1)
    assert machine.process is not None
    assert machine.process.wait(30) == 0
    with pytest.raises(TwinUnreachable):
        machine.mine.about()
    assert machine.run("verify").returncode == 0


def test_sigterm_ends_a_twin_with_zero_and_nothing_in_its_error_log(twin: Machine) -> None:
    twin.mine.call("put", {"slice": "catalogue", "id": "a", "body": {}})
    assert twin.stop() == 0
    assert twin.errors.read_text() == ""


def test_a_directory_that_holds_a_twin_is_not_made_again_and_a_half_made_one_is(
    twin: Machine, place: Path
) -> None:
    with pytest.raises(TwinExists):
        create(twin.directory, slug="acme", name="Acme", genesis={})
    assert twin.mine.about()["id"] == twin.id
    half = place / "half"
    (half / "keys").mkdir(parents=True)
    (half / "keys" / "old.signing").write_text("unfinished")
    wanted = new_ulid()
    assert create(half, slug="half", name="Half", twin_id=wanted, genesis={})["id"] == wanted
    assert not (half / "keys" / "old.signing").exists()


@pytest.mark.parametrize(
    ("genesis", "words"),
    [
        ({"owners": {}}, "owners"),
        ({"owner": {"user:*": {"name": "x", "key": "A" * 43}}}, "owner"),
        ({"owner": entry(person()), "custody": entry(person())}, "not with both"),
        ({"slices": [{"name": "Bad Name", "title": "x", "kind": "x"}]}, "slices[0].name"),
        (
            {
                "senses": [
                    {"name": "s", "kind": "feed", "title": "S", "url": "http://x", "target": {"no": "x"}}
                ]
            },
            "no",
        ),
    ],
)
def test_a_genesis_that_does_not_fit_makes_no_twin(
    place: Path, genesis: dict[str, object], words: str
) -> None:
    with pytest.raises(Problem) as refused:
        create(place / "twin", slug="x", name="X", genesis=genesis)
    assert words in refused.value.detail
    assert not path_of(place / "twin").exists()


def test_the_command_line_makes_verifies_and_audits_a_twin(place: Path) -> None:
    machine = Machine(place / "acme", person(), "")
    made = machine.run("init", "--twin", "acme", "--name", "Acme Ltd", "--json")
    machine.id = json.loads(made.stdout)["id"]
    assert is_ulid(machine.id)
    assert machine.run("init", "--twin", "acme", "--name", "Acme Ltd").returncode == 1
    machine.start()
    token = machine.run("token", "--as", "user:anna", "--role", "owner").stdout.strip()
    mine = machine.client(TokenSigner(token))
    mine.call("declare_slice", {"name": "notes", "title": "=cmd()", "kind": "notes"})
    machine.stop()
    verified = json.loads(machine.run("verify", "--json").stdout)
    records = machine.records()
    assert (verified["ok"], verified["records"]) == (True, len(records))
    calls = [record for record in records if record["caller"] != "agent:vault"]
    assert [record["reducer"] for record in calls] == ["genesis", "declare_slice"]
    rows = list(
        csv.DictReader(io.StringIO(machine.run("audit", "--format", "csv", "--caller", "user:anna").stdout))
    )
    assert [(row["seq"], row["act"], row["error"]) for row in rows] == [(str(calls[1]["seq"]), "", "")]
    since = machine.run("audit", "--since", calls[1]["time"], "--caller", "user:anna").stdout.splitlines()
    assert len(since) == 1


@pytest.mark.parametrize(
    ("command", "options", "code", "words"),
    [
        ("init", ["--twin", "../x", "--name", "X"], 1, "slug"),
        ("serve", ["--port", "0"], 69, "holds no twin"),
        ("verify", [], 1, "vault.json"),
        ("token", ["--as", "everybody"], 1, "user:anna"),
        ("token", ["--as", "user:a", "--seconds", "99999"], 1, "3600"),
        ("audit", ["--since", "yesterday"], 1, "since"),
        ("audit", ["--format", "xml"], 2, "jsonl"),
    ],
)
def test_a_command_that_cannot_be_done_says_why_in_one_line(
    place: Path, command: str, options: list[str], code: int, words: str
) -> None:
    machine = Machine(place / "nothing", person(), "")
    done = machine.run(command, *options)
    assert done.returncode == code
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_every_command_explains_itself_with_an_example(place: Path) -> None:
    machine = Machine(place, person(), "")
    for command in ("init", "serve", "token", "audit", "verify", "snapshot", "erase", "doctor"):
        shown = machine.run(command, "--help")
        assert shown.returncode == 0
        assert f"python -m twins.runtime {command}" in shown.stdout


def test_ids_are_in_order_and_in_the_form_that_openfga_takes() -> None:
    first, second = new_uuid7(), new_uuid7()
    assert first.version == 7
    assert ulid_of(first)[:10] <= ulid_of(second)[:10]
    assert all(is_ulid(new_ulid()) and new_ulid()[0] in "01234567" for _ in range(100))
    assert not is_ulid("8" + new_ulid()[1:])
    assert not is_ulid(new_ulid().lower())


def test_the_server_does_not_name_its_make(standing: Machine) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(standing.socket))
        connection = http.client.HTTPConnection("twin")
        connection.sock = sock
        connection.request("GET", "/healthz")
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, b'{"status":"ok"}')
        assert response.getheader("Server") is None


def test_a_machine_can_be_measured(tmp_path: Path) -> None:
    line = [sys.executable, "-m", "twins.runtime", "bench", str(tmp_path), "--seconds", "0.05", "--json"]
    figures = json.loads(subprocess.run(line, capture_output=True, text=True, timeout=60, check=True).stdout)
    assert all(one["value"] > 0 for one in figures)
    assert {one["unit"] for one in figures} == {"commits/s", "records/s", "reads/s"}
    assert list(tmp_path.iterdir()) == []
