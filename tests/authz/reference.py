"""Reference: a real OpenFGA server, in memory."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.authz import openfga
from tests.authz.desks import There


@contextmanager
def running() -> Iterator[int]:
    """The port of a server that runs as long as this lasts; the test is skipped, saying why, without one."""
    try:
        program = openfga.program()
    except openfga.Missing as missing:
        pytest.skip(f"did not run: {missing}")
    http, grpc = _free_port(), _free_port()
    options = ["--playground-enabled=false", "--metrics-enabled=false", "--log-level=error"]
    addresses = [f"--http-addr=127.0.0.1:{http}", f"--grpc-addr=127.0.0.1:{grpc}"]
    process = subprocess.Popen(
        [program, "run", *addresses, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
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
