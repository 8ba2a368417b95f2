"""Manifest: `snapshots/<20 digits: seq>.json`, which names a snapshot's chunks and is signed by the twin.

In the clear stand the twin's id, the seq, the time and the public key; what would tell of the contents
(tables, chunks, the place in the log) is sealed. The signature is Ed25519 over the canonical JSON of the
rest.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from twins.runtime import codec, files
from twins.runtime.tokens import decode_x

NAME_DIGITS = 20
_NAME = re.compile(rf"[0-9]{{{NAME_DIGITS}}}\.json")
NONCE_BYTES = 12


class ManifestUnusable(Exception):
    """A manifest is not what the twin wrote."""


class Contents(msgspec.Struct, forbid_unknown_fields=True):
    """What a snapshot holds.

    Attributes:
        position: the place in the log from which to read on, as the log has it.
        through: the last record that the rows may show; a log that ends before it is not the snapshot's.
        log_bytes: how long the log was.
        tables: the chunks of each table.
    """

    position: msgspec.Raw
    through: int
    log_bytes: int
    tables: dict[str, list[str]]


class _Signed(msgspec.Struct, forbid_unknown_fields=True):
    twin: str
    seq: int
    at: str
    x: str
    sealed: bytes
    signature: bytes = b""


class Manifest(msgspec.Struct):
    """A manifest that was read and holds; `x` is the key that signed it."""

    twin: str
    seq: int
    at: str
    x: str
    contents: Contents


def path_of(directory: Path, seq: int) -> Path:
    """The manifest of the snapshot at record `seq`; `directory` is the folder `snapshots`."""
    return directory / f"{seq:0{NAME_DIGITS}d}.json"


def paths(directory: Path) -> list[Path]:
    """The manifests there are, the newest first."""
    found = files.listed(directory, suffix=".json")
    return sorted((path for path in found if _NAME.fullmatch(path.name)), reverse=True)


def write(directory: Path, manifest: Manifest, sealing: bytes, signing: bytes) -> Path:
    """Seal, sign and write, atomically and durably."""
    nonce = os.urandom(NONCE_BYTES)
    plain = codec.encode(manifest.contents)
    signed = _Signed(manifest.twin, manifest.seq, manifest.at, manifest.x, nonce)
    signed.sealed += AESGCM(sealing).encrypt(nonce, plain, _purpose(signed))
    signed.signature = Ed25519PrivateKey.from_private_bytes(signing).sign(codec.encode(signed))
    path = path_of(directory, manifest.seq)
    files.write_private(path, codec.encode(signed))
    return path


def read(path: Path, sealing: bytes) -> Manifest:
    """The manifest, verified against the key that it names; whose key that is must be asked of the snapshot.

    Raises:
        ManifestUnusable: it does not hold.
    """
    signed = _read(path)
    signature, signed.signature = signed.signature, b""
    try:
        decode_x(signed.x).verify(signature, codec.encode(signed))
        nonce, sealed = signed.sealed[:NONCE_BYTES], signed.sealed[NONCE_BYTES:]
        plain = AESGCM(sealing).decrypt(nonce, sealed, _purpose(signed))
        contents = msgspec.json.decode(plain, type=Contents)
    except InvalidSignature:
        raise ManifestUnusable("its signature does not hold") from None
    except (InvalidTag, ValueError, msgspec.DecodeError):
        raise ManifestUnusable("it was not sealed with this twin's present key") from None
    return Manifest(signed.twin, signed.seq, signed.at, signed.x, contents)


def _read(path: Path) -> _Signed:
    try:
        data = path.read_bytes()
        signed = msgspec.json.decode(data, type=_Signed)
    except OSError as error:
        raise ManifestUnusable(f"it cannot be read: {error.strerror}") from None
    except msgspec.DecodeError as error:
        raise ManifestUnusable(f"it cannot be used: {error}") from None
    if data != codec.encode(signed):
        raise ManifestUnusable("it is not in its canonical form")
    if path != path_of(path.parent, signed.seq):
        raise ManifestUnusable(f"it is the manifest of record {signed.seq}")
    return signed


def _purpose(signed: _Signed) -> bytes:
    return codec.encode([signed.twin, signed.seq])
