"""`manage.py up` as a person or a container manager sees it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.portalprocess import ROOT, PortalProcess
from twins.host.client import HostClient, HostUnreachable

BARE = "--no-demo"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_signal_ends_everything_cleanly(home: Path, free_port: int, number: signal.Signals) -> None:
    with PortalProcess(home, free_port, BARE) as portal:
        portal.wait_until_ready()
        assert portal.open_files() - {portal.process.pid}
        assert portal.stop(number) == 0
        assert portal.open_files() == set()
        assert "Traceback" not in portal.log


def test_a_killed_portal_takes_its_host_with_it(home: Path, free_port: int) -> None:
    with PortalProcess(home, free_port, BARE) as portal:
        portal.wait_until_ready()
        portal.stop(signal.SIGKILL)
        _wait(lambda: portal.open_files() == set(), "the host outlived the portal")


def test_a_killed_host_is_started_again(home: Path, free_port: int) -> None:
    with PortalProcess(home, free_port, BARE) as portal:
        portal.wait_until_ready()
        hosts = portal.open_files() - {portal.process.pid}
        assert hosts
        for host in hosts:
            os.kill(host, signal.SIGKILL)
        _wait(lambda: _answers(home) and not hosts & portal.open_files(), "no new host")
        assert portal.health() == (200, {"status": "ok"})


def test_it_starts_again_on_the_same_home(home: Path, free_port: int) -> None:
    for _ in range(2):
        with PortalProcess(home, free_port, BARE) as portal:
            portal.wait_until_ready()
            assert f"Mycelium is up: http://localhost:{free_port}/" in portal.log


def test_a_port_in_use_is_said_in_one_sentence(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = _up(home, "--port", port)
    assert done.returncode == 1
    place, reason = f"127.0.0.1 port {port}", "address already in use"
    sentence = f"manage.py: {place} cannot be used ({reason}); choose another with --port"
    assert done.stderr.splitlines() == [sentence]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--bind", "256.0.0.1"], "cannot be used"),
        (["--bind", "192.0.2.1"], "cannot be used"),
        (["--port", "70000"], "expected a whole number from 1 to 65535"),
    ],
)
def test_an_impossible_address_is_said_in_one_sentence(home: Path, options: list[str], sentence: str) -> None:
    done = _up(home, *options)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert sentence in done.stderr


def test_every_answer_carries_the_security_headers(home: Path, free_port: int) -> None:
    with PortalProcess(home, free_port, BARE) as portal:
        portal.wait_until_ready()
        for path in ("/healthz", "/no-such-page", "/accounts/login/"):
            headers = _headers(f"{portal.url}{path}")
            policy = headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Referrer-Policy"] == "same-origin"


def test_a_body_that_is_too_large_is_refused(home: Path, free_port: int) -> None:
    with PortalProcess(home, free_port, BARE) as portal:
        portal.wait_until_ready()
        request = urllib.request.Request(f"{portal.url}/healthz", data=bytes(12 * 2**20 + 1), method="POST")
        with pytest.raises(urllib.error.HTTPError) as refusal:
            urllib.request.urlopen(request, timeout=30)
        with refusal.value as answer:
            assert answer.code == 413
            assert answer.headers["Content-Type"] == "application/problem+json"


def _up(home: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "up", *options],
        cwd=ROOT,
        env={**os.environ, "MYCELIUM_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _headers(url: str) -> dict[str, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return dict(answer.headers)
    except urllib.error.HTTPError as error:
        with error:
            return dict(error.headers)


def _answers(home: Path) -> bool:
    try:
        HostClient(home).ping()
    except HostUnreachable:
        return False
    return True


def _wait(condition: Callable[[], bool], otherwise: str) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, otherwise
        time.sleep(0.1)
