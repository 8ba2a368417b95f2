"""Signed notes and checkpoints: how a twin signs what its log holds.

The forms are C2SP's signed-note (c2sp.org/signed-note) and tlog-checkpoint (c2sp.org/tlog-checkpoint) with
Ed25519.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from twins.runtime.tokens import decode_x

_ED25519 = b"\1"
_DASH = "\N{EM DASH} "
LONGEST_NOTE = 1 << 20


class NoteRefused(Exception):
    """A note that is malformed, or that no known key signed."""


class Checkpoint(NamedTuple):
    """The head of a log's tree."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def origin_of(twin: str) -> str:
    """The name of a twin's log, and of the key that signs it."""
    return f"mycelium/{twin}"


def key_id(name: str, public: bytes) -> bytes:
    """The four bytes that hint at a key (signed-note, "Signature types")."""
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:4]


def sign(name: str, seed: bytes, text: str) -> str:
    """The note: the text with one signature by the Ed25519 seed."""
    key = Ed25519PrivateKey.from_private_bytes(seed)
    hint = key_id(name, key.public_key().public_bytes_raw())
    signature = base64.b64encode(hint + key.sign(text.encode())).decode()
    return f"{text}\n{_DASH}{name} {signature}\n"


def open_note(note: str, name: str, keys: Iterable[str]) -> str:
    """The text of a note that `name` signed with one of the keys, each the `x` of an Ed25519 JWK.

    Raises:
        NoteRefused: no such signature, or no note.
    """
    text, separator, block = note.rpartition("\n\n")
    if not separator or not block.endswith("\n") or len(note) > LONGEST_NOTE:
        raise NoteRefused("this is no signed note")
    text += "\n"
    known = {key_id(name, public.public_bytes_raw()): public for public in map(decode_x, keys)}
    if not any(_signed(line, name, known, text) for line in block.splitlines()):
        raise NoteRefused(f"no key of {name} that is known signed this")
    return text


def _signed(line: str, name: str, known: dict[bytes, Ed25519PublicKey], text: str) -> bool:
    signer, _, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or signer != name:
        return False
    try:
        raw = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return False
    public = known.get(raw[:4])
    if public is None:
        return False
    try:
        public.verify(raw[4:], text.encode())
    except InvalidSignature:
        return False
    return True


def read_checkpoint(text: str) -> Checkpoint:
    """The checkpoint in a note's text.

    Raises:
        NoteRefused: the text is no checkpoint.
    """
    lines = text.split("\n")
    try:
        origin, size, root = lines[0], lines[1], base64.b64decode(lines[2], validate=True)
        found = Checkpoint(origin, int(size), root)
    except (IndexError, ValueError, binascii.Error):
        raise NoteRefused("this is no checkpoint") from None
    if not text.startswith(found.text()) or not origin or len(root) != hashlib.sha256().digest_size:
        raise NoteRefused("this is no checkpoint")
    return found


def open_checkpoint(note: str, origin: str, keys: Iterable[str]) -> Checkpoint:
    """The checkpoint of the log `origin` that one of its keys signed.

    Raises:
        NoteRefused: it is not.
    """
    found = read_checkpoint(open_note(note, origin, keys))
    if found.origin != origin:
        raise NoteRefused(f"the checkpoint is of {found.origin[:80]}, not of {origin}")
    return found


def signed_text(note: str) -> Checkpoint:
    """The checkpoint in a note whose signature is known to hold, or is looked at elsewhere.

    Raises:
        NoteRefused: there is none in it.
    """
    return read_checkpoint(note.partition("\n\n")[0] + "\n")
