"""Reference: a real OpenFGA server of one pinned version, built by Go into a cache and run in memory."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.authz.desks import There

VERSION = "v1.22.1"
PACKAGE = f"github.com/openfga/openfga/cmd/openfga@{VERSION}"
BUILD_SECONDS = 900


def program() -> Path:
    """The server's program; the test that asks is skipped, saying why, when it cannot be had."""
    found = shutil.which("openfga")
    if found is not None:
        return Path(found)
    cache = (
        Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mycelium" / f"openfga-{VERSION}"
    )
    if not (cache / "openfga").exists():
        _build(cache)
    return cache / "openfga"


def _build(cache: Path) -> None:
    if shutil.which("go") is None:
        pytest.skip("did not run: there is neither `openfga` nor Go on this machine")
    cache.mkdir(parents=True, exist_ok=True)
    try:
        built = subprocess.run(
            ["go", "install", PACKAGE],
            env={**os.environ, "GOBIN": str(cache)},
            capture_output=True,
            check=False,
            text=True,
            timeout=BUILD_SECONDS,
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"did not run: building {PACKAGE} took longer than {BUILD_SECONDS} s")
    if built.returncode != 0:
        pytest.skip(f"did not run: {PACKAGE} cannot be built here: {built.stderr.strip()[-300:]}")


@contextmanager
def running() -> Iterator[int]:
    """The port of a server that runs as long as this lasts."""
    http, grpc = _free_port(), _free_port()
    options = ["--playground-enabled=false", "--metrics-enabled=false", "--log-level=error"]
    addresses = [f"--http-addr=127.0.0.1:{http}", f"--grpc-addr=127.0.0.1:{grpc}"]
    process = subprocess.Popen(
        [program(), "run", *addresses, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _await(process, http)
        yield http
    finally:
        process.terminate()
        process.wait(30)


def _await(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        desk = There(port)
        try:
            if desk.call("GET", "/healthz")[0] == 200:
                return
        except OSError:
            time.sleep(0.05)
        finally:
            desk.close()
    raise AssertionError("the OpenFGA server does not answer")


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
