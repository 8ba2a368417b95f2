"""Seal: a frame's body, a head under the twin's data key and parts that can each be erased.

    head's length u32 | number of parts u32 | each part's length u32 | head | parts

Big-endian. The head is nonce (12), AES-256-GCM ciphertext and tag (16). A part is ciphertext and tag under a
key of its own, with the head's nonce: a record that was cut off as unfinished leaves its seq, and so its
keys, to the next one, which must not meet the same nonce again. Seq and number of parts are authenticated
with the head. The hash of the chain covers all of this, so it still verifies once a key is destroyed.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Protocol

import cryptography.exceptions
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from twins.runtime.log.damage import LogDamaged
from twins.runtime.log.frame import Frame
from twins.runtime.randomness import Randomness

NONCE_BYTES = 12
MOST_PARTS = 1 << 20
_COUNTS = struct.Struct(">II")
_ONE = struct.Struct(">III")
_AAD = struct.Struct(">QI")


class Keyring(Protocol):
    """The keys of parts."""

    def part_key(self, seq: int, n: int) -> bytes:
        """The 32 bytes that seal part `n` (0 to 2**20 - 1) of record `seq`.

        Raises:
            Shredded: the key was destroyed.
        """


class Seal:
    """Seals and opens bodies."""

    def __init__(self, key: bytes, keyring: Keyring) -> None:
        self._head = AESGCM(key)
        self._part_key = keyring.part_key
        self._nonce = Randomness(NONCE_BYTES).draw

    def close(self, seq: int, head: bytes, parts: Sequence[bytes]) -> bytes:
        """The body of a record; at most 2**20 parts."""
        nonce = self._nonce()
        count = len(parts)
        sealed_head = nonce + self._head.encrypt(nonce, head, _AAD.pack(seq, count))
        key = self._part_key
        if count == 1:
            part = AESGCM(key(seq, 0)).encrypt(nonce, parts[0], None)
            return _ONE.pack(len(sealed_head), 1, len(part)) + sealed_head + part
        sealed = [AESGCM(key(seq, n)).encrypt(nonce, part, None) for n, part in enumerate(parts)]
        lengths = struct.pack(f">{count}I", *map(len, sealed))
        return b"".join([_COUNTS.pack(len(sealed_head), count), lengths, sealed_head, *sealed])

    def open_head(self, frame: Frame, segment: str) -> tuple[bytes, bytes, list[bytes]]:
        """The head, the nonce and the parts, these still sealed.

        Raises:
            LogDamaged: another key sealed it, or the lengths do not fit.
        """
        body = frame.body
        try:
            size, count = _COUNTS.unpack_from(body)
            lengths = struct.unpack_from(f">{count}I", body, _COUNTS.size) if count > 1 else ()
        except struct.error:
            raise LogDamaged(frame.seq, segment, frame.offset, "its parts are not what was written") from None
        at = _COUNTS.size + 4 * count
        nonce, sealed = body[at : at + NONCE_BYTES], body[at + NONCE_BYTES : at + size]
        parts = [body[at + size :]] if count == 1 else _split(body, at + size, lengths)
        try:
            head = self._head.decrypt(nonce, sealed, _AAD.pack(frame.seq, count))
        except (cryptography.exceptions.InvalidTag, ValueError):
            raise LogDamaged(
                frame.seq, segment, frame.offset, "it was not sealed with this twin's key"
            ) from None
        return head, nonce, parts

    def open_part(self, frame: Frame, segment: str, n: int, nonce: bytes, sealed: bytes) -> bytes:
        """Part `n`.

        Raises:
            Shredded: its key was destroyed.
            LogDamaged: another key sealed it.
        """
        try:
            return AESGCM(self._part_key(frame.seq, n)).decrypt(nonce, sealed, None)
        except (cryptography.exceptions.InvalidTag, ValueError):
            reason = f"its part {n} was not sealed with this twin's key"
            raise LogDamaged(frame.seq, segment, frame.offset, reason) from None


def _split(body: bytes, at: int, lengths: Sequence[int]) -> list[bytes]:
    parts = []
    for length in lengths:
        parts.append(body[at : at + length])
        at += length
    return parts
