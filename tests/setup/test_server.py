"""The server's last moments: nobody who was being served is cut off."""

from __future__ import annotations

import http.client
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.portalprocess import ROOT

# answers a request only after it was told to end
PROGRAM = """
import asyncio, socket, sys
from portal.server import GracefulServer

async def application(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        print("connected", flush=True)
        while (await receive())["type"] != "websocket.disconnect":
            pass
        print("disconnected", flush=True)
        return
    print("asked", flush=True)
    while not server.draining:
        await asyncio.sleep(0.01)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"finished"})

server = GracefulServer(application, socket.create_server(("127.0.0.1", int(sys.argv[1]))))
server.run()
"""


@pytest.fixture
def server(free_port: int, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    process = subprocess.Popen(
        [sys.executable, str(program), str(free_port)],
        env={"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        yield process
        process.kill()


def connect(port: int) -> socket.socket:
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=30)
        except ConnectionRefusedError:
            continue


def line(server: subprocess.Popen[str]) -> str:
    assert server.stdout is not None
    return server.stdout.readline().strip()


def test_a_request_in_flight_is_answered_before_the_end(
    server: subprocess.Popen[str], free_port: int
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", free_port)
    connection.sock = connect(free_port)
    connection.request("GET", "/", headers={"Connection": "close"})
    assert line(server) == "asked"
    server.send_signal(signal.SIGTERM)
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, b"finished")
    connection.close()
    assert server.wait(30) == 0


def test_an_open_page_is_told_that_the_server_restarts(server: subprocess.Popen[str], free_port: int) -> None:
    with connect(free_port) as page:
        page.sendall(
            b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert line(server) == "connected"
        received = page.recv(4096)
        server.send_signal(signal.SIGTERM)
        while not (code := received.partition(b"\r\n\r\n")[2][2:4]):
            received += page.recv(4096)
    assert int.from_bytes(code, "big") == 1012
    assert line(server) == "disconnected"
    assert server.wait(30) == 0


def test_a_second_signal_does_not_wait(server: subprocess.Popen[str], free_port: int) -> None:
    with connect(free_port) as page:
        page.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")  # never finished
        server.send_signal(signal.SIGTERM)
        server.send_signal(signal.SIGINT)
        assert server.wait(30) is not None
