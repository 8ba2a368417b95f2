"""The twin's keys on disk, of which none lies there in the clear but, with a file vault, the vault's own.

`keys/vault.json` holds one secret of 64 bytes, wrapped by the vault: the data key and the tree key. The data
key seals the log's heads and, through a key derived from it, the signing keys `keys/<kid>.signing`. The tree
key seals snapshots and the key tree `keys/tree-<id>`, from which the keys of the log's parts follow.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Iterable
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from twins.runtime import files
from twins.runtime.keytree import KeyTree
from twins.runtime.tokens import encode_x
from twins.runtime.vault.box import Box
from twins.runtime.vault.kind import KeysUnusable

__all__ = ["KeyStore", "KeysUnusable", "thumbprint"]

KEY_BYTES = 32
NONCE_BYTES = 12


def thumbprint(x: str) -> str:
    """The key id: the first 16 characters of the JWK thumbprint (RFC 7638)."""
    canonical = f'{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}'
    return encode_x(hashlib.sha256(canonical.encode()).digest())[:16]


class KeyStore:
    """The folder `keys` of a twin. The vault is asked once, by the first method that needs it.

    Every method raises KeysUnusable when the vault does not answer or a file is not what it should be.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "keys"
        self.box = Box(self.directory)
        self._opened: tuple[bytes, bytes] | None = None
        self._tree: KeyTree | None = None

    def create_data_key(self) -> bytes:
        """Make the twin's secret and its key tree, durably; return the data key."""
        files.make_directory(self.directory)
        self._replace(os.urandom(KEY_BYTES), KeyTree.new(os.urandom(KEY_BYTES)))
        return self.data_key()

    def unlock(self) -> None:
        """Ask the vault and read the key tree now, so that nothing of it can be wrong later."""
        self._load()

    def data_key(self) -> bytes:
        """The key that seals the heads of the commitlog."""
        return self._secret()[0]

    def part_key(self, seq: int, n: int) -> bytes:
        """The key that seals part `n` of record `seq`; raises Shredded when it was destroyed."""
        return (self._tree or self._load()).part_key(seq, n)

    def snapshot_key(self) -> bytes:
        """The key that seals snapshots; `puncture` changes it, so that no older snapshot opens."""
        return _derived(self._secret()[1], b"snapshots")

    def puncture(self, points: Iterable[tuple[int, int]]) -> None:
        """Destroy the keys of these parts `(seq, n)`, durably, all or none; blocking.

        What remains is sealed under a new tree key, and the vault wraps that one instead of the old one. The
        old files are overwritten before they go, but a solid-state disk, a copy-on-write file system or a
        backup may keep both, and whoever has them and the vault gets the keys back. Only the vault can end
        that: `vault rewrap` to another key of it, then the end of the key that wrapped the old secret.
        """
        old = self._tree or self._load()
        remaining = old.punctured(points)
        self._replace(self.data_key(), remaining)
        old.become(remaining)
        self._tree = old

    def create(self) -> tuple[str, str]:
        """Make a new signing key, durably, and return its (kid, x)."""
        key = Ed25519PrivateKey.generate()
        x = encode_x(key.public_key().public_bytes_raw())
        kid = thumbprint(x)
        sealed = _seal(self._signing_cipher(), key.private_bytes_raw(), kid)
        files.write_private(self._signing_path(kid), sealed)
        return kid, x

    def signing_key(self, kid: str) -> bytes:
        """The seed of the signing key `kid`."""
        path = self._signing_path(kid)
        return _open(self._signing_cipher(), _read(path), kid, path)

    def keep_only(self, kid: str) -> None:
        """Remove every other signing key, so that a key that was replaced can never sign again."""
        kept = self._signing_path(kid)
        self._remove(path for path in files.listed(self.directory, suffix=".signing") if path != kept)

    def sweep(self) -> None:
        """Remove what a crash in the middle of `puncture` left behind."""
        present = self._tree_path(self._secret()[1])
        self._remove(path for path in files.listed(self.directory, "tree-") if path != present)

    def _secret(self) -> tuple[bytes, bytes]:
        if self._opened is None:
            secret = self.box.open()
            if len(secret) != 2 * KEY_BYTES:
                raise KeysUnusable(f"{self.box.path} holds {len(secret)} bytes, expected {2 * KEY_BYTES}")
            self._opened = (secret[:KEY_BYTES], secret[KEY_BYTES:])
        return self._opened

    def _load(self) -> KeyTree:
        key = self._secret()[1]
        path = self._tree_path(key)
        try:
            self._tree = KeyTree.decode(_open(AESGCM(key), _read(path), "tree", path))
        except ValueError as error:
            raise KeysUnusable(f"{path}: {error}") from None
        return self._tree

    def _replace(self, data_key: bytes, tree: KeyTree) -> None:
        """Write the tree under a new tree key; it holds from the moment in which the box names that key."""
        tree_key = os.urandom(KEY_BYTES)
        files.write_private(self._tree_path(tree_key), _seal(AESGCM(tree_key), tree.encode(), "tree"))
        self.box.close(data_key + tree_key)
        self._opened = (data_key, tree_key)
        self.sweep()

    def _remove(self, paths: Iterable[Path]) -> None:
        gone = list(paths)
        for path in gone:
            files.overwrite(path)
            path.unlink()
        if gone:
            files.sync_directory(self.directory)

    def _signing_cipher(self) -> AESGCM:
        return AESGCM(_derived(self.data_key(), b"signing"))

    def _signing_path(self, kid: str) -> Path:
        return self.directory / f"{kid}.signing"

    def _tree_path(self, tree_key: bytes) -> Path:
        return self.directory / f"tree-{_derived(tree_key, b'name').hex()[:16]}"


def _derived(key: bytes, purpose: bytes) -> bytes:
    return hmac.digest(key, b"mycelium/" + purpose + b"/1", "sha256")


def _seal(cipher: AESGCM, plain: bytes, purpose: str) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, plain, purpose.encode())


def _open(cipher: AESGCM, sealed: bytes, purpose: str, path: Path) -> bytes:
    try:
        return cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], purpose.encode())
    except (InvalidTag, ValueError):
        raise KeysUnusable(f"{path} was not sealed with this twin's key") from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise KeysUnusable(f"{path} cannot be read: {error.strerror}") from None
