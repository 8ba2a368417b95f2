"""Outbound: the one way to fetch something from an address that somebody else chose.

The guard against server-side request forgery: the host is resolved once, every address is vetted, and the
connection goes to the vetted address under the original name.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import NamedTuple
from urllib.parse import SplitResult, urljoin, urlsplit

REDIRECTS = 3
_REDIRECT = (301, 302, 303, 307, 308)
_PORTS = {"http": 80, "https": 443}
# What the standard library takes for public: once site-local (RFC 3879), documentation (RFC 9637) and the
# relays of 6to4 (RFC 7526).
_SPECIAL = [ipaddress.ip_network(net) for net in ("fec0::/10", "3fff::/20", "192.88.99.0/24")]
# Addresses that carry another address inside: where they lead cannot be vetted.
_TUNNELS = [ipaddress.ip_network(net) for net in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")]
_TLS = ssl.create_default_context()

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class OutboundError(Exception):
    """The fetch was refused or did not work; the text is one plain sentence."""


class Response(NamedTuple):
    """What the other side answered; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


def fetch(
    url: str,
    *,
    allow: Sequence[str] = (),
    max_bytes: int = 2_000_000,
    timeout: float = 10.0,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """GET a document.

    Args:
        url: `https://…`; `http://…` only towards the networks of `allow`.
        allow: private networks that may be reached, such as `127.0.0.0/8`.
        max_bytes: the longest body.
        timeout: seconds for the whole of it, redirects included.
        headers: more request headers.

    Raises:
        OutboundError: refused, unreachable, too long or too slow.
    """
    deadline = time.monotonic() + timeout
    for _ in range(REDIRECTS + 1):
        parts = _split(url)
        response = _get(parts, allow, max_bytes, deadline, headers or {})
        location = response.headers.get("location")
        if response.status not in _REDIRECT or location is None:
            return response
        url = _redirected(url, parts, location)
    raise OutboundError(f"{parts.hostname} redirected more than {REDIRECTS} times.")


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise OutboundError("The address is not a URL.") from None
    if parts.scheme not in _PORTS:
        raise OutboundError(f"The address must begin with https://, not {parts.scheme[:20]!r}.")
    if not parts.hostname or port == 0 or parts.username is not None or parts.password is not None:
        raise OutboundError("The address must name a host, and no user or password.")
    if any(ord(character) <= 32 or ord(character) >= 127 for character in parts.path + parts.query):
        raise OutboundError("The address holds a character that must be percent-encoded.")
    return parts


def _port(parts: SplitResult) -> int:
    return parts.port or _PORTS[parts.scheme]


def _name(parts: SplitResult) -> str:
    """The host in ASCII; raises UnicodeError for what TLS would choke on only after connecting."""
    return (parts.hostname or "").encode("idna").decode()


def _redirected(url: str, old: SplitResult, location: str) -> str:
    try:
        target = urljoin(url, location)
    except ValueError:
        raise OutboundError(f"{old.hostname} redirects to what is not a URL.") from None
    new = _split(target)
    upgraded = (old.scheme, new.scheme) == ("http", "https") and (_port(old), _port(new)) == (80, 443)
    same = (new.scheme, _port(new)) == (old.scheme, _port(old))
    if new.hostname != old.hostname or not (same or upgraded):
        raise OutboundError(f"{old.hostname} redirects elsewhere, to {new.scheme}://{new.netloc}.")
    return target


def _look_up(parts: SplitResult, deadline: float) -> list[Address]:
    """The addresses of the host.

    The system's resolver takes no time limit, so it is asked in a thread, which is left behind if it is slow.
    """
    answer: Future[list[Address]] = Future()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(_name(parts), _port(parts), type=socket.SOCK_STREAM)
            answer.set_result([ipaddress.ip_address(str(one[4][0]).partition("%")[0]) for one in found])
        except (OSError, ValueError):
            answer.set_exception(OutboundError(f"{parts.hostname} cannot be found."))

    threading.Thread(target=ask, daemon=True).start()
    try:
        return answer.result(max(deadline - time.monotonic(), 0.0))
    except TimeoutError:
        raise OutboundError(f"{parts.hostname} took too long to be found.") from None


def _resolve(parts: SplitResult, allow: Sequence[str], deadline: float) -> list[Address]:
    """The addresses that may be connected to."""
    host, addresses = parts.hostname, _look_up(parts, deadline)
    vetted = [address for address in dict.fromkeys(addresses) if _may_reach(address, parts.scheme, allow)]
    if not vetted:
        if parts.scheme == "http" and all(_is_public(address) for address in addresses):
            raise OutboundError(f"{host} must be reached with https.")
        raise OutboundError(f"{host} leads to an address that may not be reached from here.")
    return vetted


def _may_reach(address: Address, scheme: str, allow: Sequence[str]) -> bool:
    real = _unmapped(address)
    if any(real in ipaddress.ip_network(network) for network in allow):
        return True
    return scheme == "https" and _is_public(address)


def _unmapped(address: Address) -> Address:
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _is_public(address: Address) -> bool:
    real = _unmapped(address)
    if real.is_multicast or real.is_reserved or real.is_unspecified:
        return False
    return real.is_global and not any(real in network for network in (*_TUNNELS, *_SPECIAL))


def _get(
    parts: SplitResult, allow: Sequence[str], max_bytes: int, deadline: float, headers: Mapping[str, str]
) -> Response:
    sock = _connect(parts, _resolve(parts, allow, deadline), deadline)
    # Each read has its own time limit, so a server that trickles bytes is ended from outside.
    watchdog = threading.Timer(max(deadline - time.monotonic(), 0.0), _hang_up, [sock])
    watchdog.daemon = True
    watchdog.start()
    try:
        return _exchange(parts, sock, max_bytes, headers)
    except (OSError, ValueError, http.client.HTTPException) as error:
        if time.monotonic() >= deadline:
            raise OutboundError(f"{parts.hostname} took too long.") from None
        raise OutboundError(f"{parts.hostname} did not answer properly: {error}.") from None
    finally:
        watchdog.cancel()
        sock.close()


def _connect(parts: SplitResult, addresses: Sequence[Address], deadline: float) -> socket.socket:
    failure: OSError = TimeoutError("it took too long")
    for address in addresses:
        seconds = deadline - time.monotonic()
        if seconds <= 0:
            break
        try:
            sock = socket.create_connection((str(address), _port(parts)), timeout=seconds)
        except OSError as error:
            failure = error
            continue
        return sock if parts.scheme == "http" else _secured(parts, sock)
    raise OutboundError(f"{parts.hostname} cannot be reached: {failure.strerror or failure}.")


def _secured(parts: SplitResult, sock: socket.socket) -> ssl.SSLSocket:
    """TLS over a connection; the handshake comes later, when the watchdog is there."""
    try:
        return _TLS.wrap_socket(sock, server_hostname=_name(parts), do_handshake_on_connect=False)
    except (OSError, ValueError) as error:
        sock.close()
        raise OutboundError(f"{parts.hostname} cannot be reached with TLS: {error}.") from None


def _hang_up(sock: socket.socket) -> None:
    try:
        # Not SSLSocket.shutdown, which would take the session away from the thread that is reading.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
    except OSError:
        return


def _exchange(
    parts: SplitResult, sock: socket.socket, max_bytes: int, headers: Mapping[str, str]
) -> Response:
    if isinstance(sock, ssl.SSLSocket):
        sock.do_handshake()
    connection = http.client.HTTPConnection(_name(parts), _port(parts))
    connection.default_port = _PORTS[parts.scheme]
    connection.sock = sock
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection.request("GET", path, headers={"Accept": "*/*", **headers, "Connection": "close"})
    response = connection.getresponse()
    body = response.read(max_bytes + 1)
    if len(body) > max_bytes:
        raise OutboundError(f"{parts.hostname} sent more than {max_bytes:,} bytes.")
    if response.length:
        raise OutboundError(f"{parts.hostname} ended before all was sent.")
    return Response(response.status, {name.lower(): value for name, value in response.getheaders()}, body)
