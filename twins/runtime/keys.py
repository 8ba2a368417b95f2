"""The twin's keys on disk: `keys/<kid>.pem` signs, `keys/data.key` seals the commitlog."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from twins.runtime import files
from twins.runtime.tokens import encode_x

DATA_KEY_BYTES = 32


class KeysUnusable(Exception):
    """A key file is missing or is not what it should be."""


def thumbprint(x: str) -> str:
    """The key id: the first 16 characters of the JWK thumbprint (RFC 7638)."""
    canonical = f'{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}'
    return encode_x(hashlib.sha256(canonical.encode()).digest())[:16]


class KeyStore:
    """The folder `keys` of a twin."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "keys"

    def create(self) -> tuple[str, str]:
        """Make a new signing key, durably, and return its (kid, x)."""
        files.make_directory(self.directory)
        key = Ed25519PrivateKey.generate()
        x = encode_x(key.public_key().public_bytes_raw())
        kid = thumbprint(x)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        files.write_private(self._path(kid), pem)
        return kid, x

    def create_data_key(self) -> bytes:
        """Make the key that seals the commitlog, durably."""
        files.make_directory(self.directory)
        key = os.urandom(DATA_KEY_BYTES)
        files.write_private(self.directory / "data.key", key)
        return key

    def data_key(self) -> bytes:
        """The key that seals the commitlog.

        Raises:
            KeysUnusable: it is missing or has the wrong length.
        """
        path = self.directory / "data.key"
        try:
            key = path.read_bytes()
        except OSError as error:
            raise KeysUnusable(f"{path} cannot be read: {error.strerror}") from None
        if len(key) != DATA_KEY_BYTES:
            raise KeysUnusable(f"{path} has {len(key)} bytes, expected {DATA_KEY_BYTES}")
        return key

    def signing_key(self, kid: str) -> bytes:
        """The seed of the signing key `kid`.

        Raises:
            KeysUnusable: it is missing or is no Ed25519 key.
        """
        path = self._path(kid)
        try:
            key = load_pem_private_key(path.read_bytes(), password=None)
        except (OSError, ValueError) as error:
            raise KeysUnusable(f"{path} cannot be used: {error}") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise KeysUnusable(f"{path} is not an Ed25519 key")
        return key.private_bytes_raw()

    def keep_only(self, kid: str) -> None:
        """Remove every other signing key, so that a key that was replaced can never sign again."""
        others = [path for path in self.directory.glob("*.pem") if path.stem != kid]
        for path in others:
            path.unlink()
        if others:
            files.sync_directory(self.directory)

    def _path(self, kid: str) -> Path:
        return self.directory / f"{kid}.pem"
