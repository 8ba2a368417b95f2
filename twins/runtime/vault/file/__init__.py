"""File: a key in a file of its own, mode 0600; by default beside what it opens, better on another disk."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from twins.runtime import files
from twins.runtime.vault.kind import PURPOSE, KeysUnusable

KEY_BYTES = 32
NONCE_BYTES = 12


class FileVault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Wraps with AES-256-GCM.

    Attributes:
        path: the key's file; made by the first `wrap`.
    """

    folder: str
    path: str = "vault.key"

    def wrap(self, secret: bytes) -> bytes:
        if not self._path.exists():
            try:
                files.write_private(self._path, os.urandom(KEY_BYTES))
            except OSError as error:
                raise KeysUnusable(f"{self._path} cannot be written: {error.strerror}") from None
        nonce = os.urandom(NONCE_BYTES)
        return nonce + AESGCM(self._key()).encrypt(nonce, secret, PURPOSE)

    def unwrap(self, wrapped: bytes) -> bytes:
        nonce, sealed = wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:]
        try:
            return AESGCM(self._key()).decrypt(nonce, sealed, PURPOSE)
        except (InvalidTag, ValueError):
            raise KeysUnusable(f"{self._path} is not the key that wrapped this twin's") from None

    def retire(self) -> None:
        self._path.unlink(missing_ok=True)
        files.sync_directory(self._path.parent)

    @property
    def _path(self) -> Path:
        return Path(self.folder, self.path)

    def _key(self) -> bytes:
        try:
            key = self._path.read_bytes()
        except OSError as error:
            raise KeysUnusable(f"{self._path} cannot be read: {error.strerror}") from None
        if len(key) != KEY_BYTES:
            raise KeysUnusable(f"{self._path} has {len(key)} bytes, expected {KEY_BYTES}")
        return key
