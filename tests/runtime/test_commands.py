"""The command line at its edges: sockets, ports, pipes, JSON, and what must not look like success."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.runtime.conftest import Make
from tests.runtime.machine import Machine

PYTHON = [sys.executable, "-m", "twins.runtime"]


def test_a_second_process_leaves_the_socket_of_the_first(twin: Machine) -> None:
    second = twin.run("serve", "--uds", str(twin.socket))
    assert second.returncode == 75
    assert "another process" in second.stderr
    assert twin.mine.about()["id"] == twin.id


def test_a_file_that_is_no_socket_is_not_replaced_by_one(make: Make, place: Path) -> None:
    precious = place / "precious.txt"
    precious.write_text("mine")
    refused = make().run("serve", "--uds", str(precious))
    assert (refused.returncode, "no socket" in refused.stderr) == (1, True)
    assert precious.read_text() == "mine"


def test_a_directory_without_a_twin_gets_no_socket(place: Path) -> None:
    empty = place / "empty"
    refused = subprocess.run(
        [*PYTHON, "serve", str(empty)], check=False, capture_output=True, text=True, timeout=60
    )
    assert refused.returncode == 1
    assert not (empty / "twin.sock").exists()


def test_a_port_that_is_none_is_named(make: Make) -> None:
    refused = make().run("serve", "--port", "99999")
    assert (refused.returncode, "99999" in refused.stderr) == (2, True)


def test_a_twin_on_any_port_says_which(make: Make) -> None:
    command = [*PYTHON, "serve", str(make().directory), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().removeprefix("listening on ").strip()
        with urllib.request.urlopen(f"{url}/healthz", timeout=30) as answer:
            assert answer.status == 200
        process.terminate()


def test_a_reader_that_has_seen_enough_of_the_log_is_no_error(twin: Machine) -> None:
    many = [{"id": f"o{n}", "body": {"t": "x" * 2000}} for n in range(500)]
    twin.mine.call("put_many", {"slice": "catalogue", "objects": many})
    for _ in range(300):
        twin.mine.call("put", {"slice": "catalogue", "id": "a", "body": {"t": "x" * 2000}})
    command = [*PYTHON, "audit", str(twin.directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b"{")
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 0


def test_results_come_as_json_for_machines_too(twin: Machine) -> None:
    twin.mine.call("put", {"slice": "catalogue", "id": "a", "body": {}})
    twin.stop()
    assert set(json.loads(twin.run("token", "--as", "user:a", "--json").stdout)) == {
        "token",
        "subject",
        "seconds",
    }
    assert json.loads(twin.run("audit", "--json").stdout.splitlines()[0])["seq"] == 1
    assert json.loads(twin.run("prove", "--seq", "1", "--json").stdout)["seq"] == 1


def test_a_log_that_is_not_there_is_a_result_in_json(place: Path) -> None:
    command = [*PYTHON, "verify", str(place / "nothing"), "--json"]
    told = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert told.returncode == 1
    assert json.loads(told.stdout)["ok"] is False


def test_erasing_what_never_was_is_no_success(twin: Machine) -> None:
    twin.mine.call("put", {"slice": "catalogue", "id": "a", "body": {}})
    twin.stop()
    wanted = ("--slice", "catalogue", "--reason", "asked")
    refused = twin.run("erase", "--id", "b", *wanted)
    assert (refused.returncode, "'b'" in refused.stderr) == (1, True)
    assert twin.run("erase", "--id", "a", *wanted).returncode == 0


def test_a_lock_that_points_elsewhere_is_not_followed(make: Make, place: Path) -> None:
    machine, victim = make(), place / "victim"
    (machine.directory / "lock").unlink(missing_ok=True)
    (machine.directory / "lock").symlink_to(victim)
    assert machine.run("snapshot").returncode != 0
    assert not victim.exists()


@pytest.mark.parametrize("content", [b"junk", None])
def test_an_epoch_that_cannot_be_read_is_named_and_nothing_is_served(
    make: Make, content: bytes | None
) -> None:
    machine = make()
    path = machine.directory / "epoch"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    assert machine.run("serve", "--idle", "1").returncode == 69
    told = machine.run("doctor")
    assert told.returncode == 1
    assert "epoch" in told.stdout


def test_the_csv_of_the_log_moves_no_cursor(twin: Machine) -> None:
    twin.mine.call("declare_slice", {"name": "notes", "title": "\x1b[2Jgone\n=x", "kind": "notes"})
    text = twin.run("audit", "--format", "csv").stdout
    assert "\x1b" not in text
    assert "u001b" in text


@pytest.mark.parametrize("seconds", ["0", "-1"])
def test_a_measurement_takes_some_time(tmp_path: Path, seconds: str) -> None:
    command = [*PYTHON, "bench", str(tmp_path), "--seconds", seconds]
    assert subprocess.run(command, check=False, capture_output=True, timeout=60).returncode == 1
