"""A server that speaks the transit interface of HashiCorp Vault over TLS: the peer of the vault `transit`."""

from __future__ import annotations

import base64
import datetime as dt
import http.server
import ipaddress
import json
import os
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.x509.oid import NameOID

TOKEN = "hvs.a-token-of-the-test"


@dataclass
class Transit:
    """A running server; `answer` replaces what it says."""

    url: str = ""
    key: bytes = field(default_factory=lambda: AESGCM.generate_key(256))
    asked: list[str] = field(default_factory=list)
    answer: bytes | None = None

    def do(self, path: str, token: str | None, body: dict[str, str]) -> tuple[int, bytes]:
        self.asked.append(path)
        if token != TOKEN:
            return 403, b'{"errors":["permission denied"]}'
        verb = path.split("/")[3]
        if path != f"/v1/transit/{verb}/twins":
            return 404, b'{"errors":["encryption key not found"]}'
        if self.answer is not None:
            return 200, self.answer
        try:
            data = self._encrypt(body) if verb == "encrypt" else self._decrypt(body)
        except InvalidTag:
            return 400, b'{"errors":["cipher: message authentication failed"]}'
        return 200, json.dumps({"data": data}).encode()

    def _encrypt(self, body: dict[str, str]) -> dict[str, str]:
        nonce = os.urandom(12)
        sealed = nonce + AESGCM(self.key).encrypt(nonce, base64.b64decode(body["plaintext"]), None)
        return {"ciphertext": f"vault:v1:{base64.b64encode(sealed).decode()}"}

    def _decrypt(self, body: dict[str, str]) -> dict[str, str]:
        sealed = base64.b64decode(body["ciphertext"].removeprefix("vault:v1:"))
        return {
            "plaintext": base64.b64encode(AESGCM(self.key).decrypt(sealed[:12], sealed[12:], None)).decode()
        }


@contextmanager
def serving(directory: Path, transit: Transit) -> Iterator[Transit]:
    """The server, with its certificate in `ca.pem` of the directory."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, answer = transit.do(self.path, self.headers["X-Vault-Token"], body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*_certificate(directory))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    transit.url = f"https://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield transit
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _certificate(directory: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that only `ca.pem` vouches for, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    found = directory / "ca.pem", directory / "server.key"
    found[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    found[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, *private))
    return found
