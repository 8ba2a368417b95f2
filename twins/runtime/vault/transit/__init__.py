"""Transit: a key in a server that speaks the transit interface of HashiCorp Vault (also OpenBao).

The server is one that the twin's own keeper names, and mostly a private one: so not `outbound`, which vets
addresses that others chose, but one TLS connection to exactly this host and port, verified, without
redirects, proxies or retries, and with one deadline for all of it.
"""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
import threading
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, quote, urlsplit

import msgspec

from twins.runtime.vault.kind import KeysUnusable, read_secret

SECONDS = 10.0
LONGEST_ANSWER = 64 * 1024
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class TransitVault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Wraps by `POST /v1/<mount>/encrypt/<key>`, unwraps by `…/decrypt/<key>`.

    Attributes:
        url: `https://host:port`; `http://` only to this machine, for an agent that adds TLS.
        key: the name of the key in the server.
        token: a file with the token, or `credential:<name>`.
        mount: where the transit engine is mounted.
        ca: a file with the certificates to trust instead of the system's.
        namespace: of Vault Enterprise or OpenBao.
    """

    folder: str
    url: str
    key: str
    token: str
    mount: str = "transit"
    ca: str | None = None
    namespace: str | None = None

    def wrap(self, secret: bytes) -> bytes:
        answer = self._ask("encrypt", {"plaintext": base64.b64encode(secret).decode()})
        return _member(answer, "ciphertext").encode()

    def unwrap(self, wrapped: bytes) -> bytes:
        if not wrapped.isascii():
            raise KeysUnusable(f"what is to be unwrapped is not from the vault at {self.url}")
        answer = self._ask("decrypt", {"ciphertext": wrapped.decode()})
        try:
            return base64.b64decode(_member(answer, "plaintext"), validate=True)
        except ValueError:
            raise KeysUnusable(f"the vault at {self.url} answered with what is not Base64") from None

    def retire(self) -> None:
        """The server's key stays: it may serve other twins."""

    def _ask(self, verb: str, body: dict[str, str]) -> Any:
        headers = {"X-Vault-Token": read_secret(self.folder, self.token), "Content-Type": "application/json"}
        if self.namespace is not None:
            headers["X-Vault-Namespace"] = self.namespace
        path = f"/v1/{quote(self.mount)}/{verb}/{quote(self.key, safe='')}"
        connection = self._connection()
        watchdog = threading.Timer(SECONDS, _hang_up, [connection])
        watchdog.daemon = True
        watchdog.start()
        try:
            connection.request("POST", path, msgspec.json.encode(body), headers)
            response = connection.getresponse()
            answer = response.read(LONGEST_ANSWER)
        except (OSError, ValueError, http.client.HTTPException) as error:
            reason = getattr(error, "strerror", None) or error
            if isinstance(error, PermissionError):
                reason = "this process may not connect to its port; a sandbox needs --allow-port"
            raise KeysUnusable(f"the vault at {self.url} cannot be reached: {reason}") from None
        finally:
            watchdog.cancel()
            connection.close()
        if response.status != 200:
            raise KeysUnusable(f"the vault at {self.url} refuses {verb}: status {response.status}")
        return answer

    def _connection(self) -> http.client.HTTPConnection:
        parts = _split(self.url)
        host = parts.hostname or ""
        if parts.scheme == "http":
            return http.client.HTTPConnection(host, parts.port or 80, timeout=SECONDS)
        try:
            tls = ssl.create_default_context(cafile=None if self.ca is None else Path(self.folder, self.ca))
        except OSError as error:
            raise KeysUnusable(f"the certificates {self.ca} cannot be used: {error}") from None
        return http.client.HTTPSConnection(host, parts.port or 443, timeout=SECONDS, context=tls)


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        local = parts.scheme == "http" and parts.hostname in LOOPBACK
        if parts.port == 0 or not parts.hostname or not (local or parts.scheme == "https"):
            raise ValueError
    except ValueError:
        raise KeysUnusable(f"the vault's url must be such as https://vault:8200, not {url[:80]!r}") from None
    return parts


def _hang_up(connection: http.client.HTTPConnection) -> None:
    sock = connection.sock
    if sock is not None:
        try:
            socket.socket.shutdown(sock, socket.SHUT_RDWR)
        except OSError:
            return


def _member(answer: bytes, name: str) -> str:
    """`data.<name>` of the answer."""
    try:
        found = msgspec.json.decode(answer)["data"][name]
    except (msgspec.DecodeError, KeyError, TypeError):
        found = None
    if not isinstance(found, str):
        raise KeysUnusable(f"the vault answered without a {name}")
    return found
