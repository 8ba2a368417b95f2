"""Outbound: nothing inside is reached through an address that somebody else chose."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from twins.runtime.outbound import OutboundError, fetch

LOCAL = ["127.0.0.0/8"]


class Pages(BaseHTTPRequestHandler):
    """A few documents and traps."""

    def do_GET(self) -> None:
        port = self.headers["Host"].rpartition(":")[2]
        redirects = {
            "/once": "/page",
            "/loop": "/loop",
            "/away": f"http://127.0.0.2:{port}/page",
            "/port": "http://127.0.0.1:1/page",
            "/inside": "http://169.254.169.254/latest",
            "/file": "file:///etc/passwd",
            "/broken": "http://[",
        }
        if self.path in redirects:
            self.send_response(302)
            self.send_header("Location", redirects[self.path])
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = b"x" * 3000 if self.path == "/long" else self.headers["Host"].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body) + (100 if self.path == "/cut" else 0)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "https://127.0.0.1/",
        "https://localhost/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://0.0.0.0/",
        "https://10.1.2.3/",
        "https://172.16.0.1/",
        "https://192.168.1.1/",
        "https://100.64.0.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://198.18.0.1/",
        "https://224.0.0.1/",
        "https://255.255.255.255/",
        "https://[::1]/",
        "https://[::]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[2002:7f00:1::]/",
        "https://[2001:0:7f00:1::]/",
        "https://[fe80::1]/",
        "https://[fd00::1]/",
        "https://[ff02::1]/",
        "https://[fec0::1]/",
        "https://[3fff::1]/",
        "https://192.88.99.1/",
        "http://[",
        "https://[::1/",
        "http://8.8.8.8/",
        "ftp://8.8.8.8/",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "https://user:secret@8.8.8.8/",
        "https:///nothing",
        "https://8.8.8.8:0/",
        "https://8.8.8.8:99999/",
        "https://8.8.8.8/a b",
        "https://8.8.8.8/\r\nX: y",
        "not a url",
        "",
    ],
)
def test_an_address_that_may_not_be_reached_is_refused_before_any_connection(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(*_: object, **__: object) -> socket.socket:
        pytest.fail(f"connected for {url}")

    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(OutboundError) as refused:
        fetch(url)
    assert str(refused.value).endswith(".")
    assert "secret" not in str(refused.value)


def test_an_allowed_network_is_reached_under_the_original_name(port: int) -> None:
    answer = fetch(f"http://localhost:{port}/page?q=1", allow=LOCAL)
    assert (answer.status, answer.body) == (200, f"localhost:{port}".encode())


def test_a_redirect_on_the_same_host_is_followed(port: int) -> None:
    assert fetch(f"http://127.0.0.1:{port}/once", allow=LOCAL).status == 200


@pytest.mark.parametrize("path", ["/loop", "/away", "/port", "/inside", "/file", "/broken"])
def test_a_redirect_elsewhere_or_without_end_is_refused(port: int, path: str) -> None:
    with pytest.raises(OutboundError):
        fetch(f"http://127.0.0.1:{port}{path}", allow=LOCAL)


@pytest.mark.parametrize("path", ["/long", "/cut"])
def test_too_long_or_unfinished_answers_are_refused(port: int, path: str) -> None:
    with pytest.raises(OutboundError):
        fetch(f"http://127.0.0.1:{port}{path}", allow=LOCAL, max_bytes=2000)


def test_a_server_that_trickles_is_given_up() -> None:
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def trickle() -> None:
            connection, _ = server.accept()
            with connection:
                while not stop.wait(0.05):
                    try:
                        connection.send(b"H")
                    except OSError:
                        return

        thread = threading.Thread(target=trickle)
        thread.start()
        with pytest.raises(OutboundError, match="too long"):
            fetch(f"http://127.0.0.1:{server.getsockname()[1]}/", allow=LOCAL, timeout=0.5)
        stop.set()
        thread.join()


def test_a_proxy_of_the_environment_is_not_used(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert fetch(f"http://127.0.0.1:{port}/page", allow=LOCAL).status == 200


def test_a_name_that_tls_cannot_take_is_an_outbound_error_and_leaves_no_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resolve, too_long = socket.getaddrinfo, ".".join(["a" * 60] * 5)

    def everything_is_here(host: str, *rest: Any, **more: Any) -> Any:
        return resolve("127.0.0.1", *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", everything_is_here)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(OutboundError, match="TLS"):
            fetch(f"https://{too_long}:{port}/", allow=LOCAL)
        connection, _ = server.accept()
        with connection:
            connection.settimeout(30)
            assert connection.recv(1) == b""


def test_a_resolver_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def hang(*_: Any, **__: Any) -> Any:
        over.wait(20)
        raise socket.gaierror("no such host")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    with pytest.raises(OutboundError, match="too long"):
        fetch("https://slow.example/", timeout=0.3)
    over.set()
