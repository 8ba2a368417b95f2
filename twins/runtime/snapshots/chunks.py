"""Chunks: rows of one table, sealed, each in a file that is named by what is in it.

`snapshots/chunks/<address>` holds a MessagePack map of keys to canonical JSON, in the order of the table,
sealed with AES-256-GCM. The sealing is deterministic, so that an unchanged chunk is not written again: the
address is a keyed hash of the rows, and the chunk's key follows from the address (as the synthetic
initialisation vector of RFC 5297). A key so seals one content only, and its nonce may be fixed; what shows is
which chunks of one twin are equal.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from zlib import crc32

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from twins.runtime import files

Rows = dict[str, bytes]

SMALLEST = 256 * 1024
LARGEST = 4 * 1024 * 1024
# One key in so many ends a chunk that is large enough, whatever was changed before it.
_ENDS = 1024
_NONCE = bytes(12)
_ADDRESS = re.compile(r"[0-9a-f]{64}")
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Rows).decode


class ChunkUnusable(Exception):
    """A chunk is missing or is not what was written."""


def split(rows: Mapping[str, bytes]) -> Iterator[Rows]:
    """The rows in portions whose ends depend on the keys, so that a change moves none but its own."""
    portion: Rows = {}
    size = 0
    for key, value in rows.items():
        portion[key] = value
        size += len(value)
        if size >= SMALLEST and (size >= LARGEST or crc32(key.encode()) % _ENDS == 0):
            yield portion
            portion, size = {}, 0
    if portion:
        yield portion


class Chunks:
    """The folder of a twin's chunks, under one key."""

    def __init__(self, directory: Path, key: bytes) -> None:
        self._directory = directory
        self._hash_key = hmac.digest(key, b"address", "sha256")
        self._seal_key = hmac.digest(key, b"chunk", "sha256")

    def put(self, rows: Rows) -> str:
        """Write a chunk, durably, unless it is there and sound; return its address."""
        plain = _encode(rows)
        digest = hmac.digest(self._hash_key, plain, "sha256")
        path = self._directory / digest.hex()
        sealed = self._cipher(digest).encrypt(_NONCE, plain, None)
        if not path.exists() or path.read_bytes() != sealed:
            files.write_private(path, sealed)
        return digest.hex()

    def get(self, address: str) -> Rows:
        """The rows of a chunk, in their order.

        Raises:
            ChunkUnusable: it is missing, or other bytes lie there.
        """
        try:
            if _ADDRESS.fullmatch(address) is None:
                raise ChunkUnusable(f"{address[:80]!r} is no chunk's address")
            sealed = (self._directory / address).read_bytes()
            return _decode(self._cipher(bytes.fromhex(address)).decrypt(_NONCE, sealed, None))
        except OSError as error:
            raise ChunkUnusable(f"chunk {address[:16]}… cannot be read: {error.strerror}") from None
        except (InvalidTag, ValueError, msgspec.DecodeError):
            raise ChunkUnusable(f"chunk {address[:16]}… is not what was written") from None

    def gather(self, addresses: Sequence[str]) -> Rows:
        """The rows of all these chunks; raises ChunkUnusable."""
        rows: Rows = {}
        for address in addresses:
            rows.update(self.get(address))
        return rows

    def _cipher(self, digest: bytes) -> AESGCM:
        # The key is the chunk's own: another chunk's bytes under this name do not open.
        return AESGCM(hmac.digest(self._seal_key, digest, "sha256"))
