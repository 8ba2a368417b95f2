"""Proofs: that a record is in a tree, and that one tree is the beginning of another (RFC 6962 section 2.1).

As text a proof of inclusion is C2SP's tlog-proof (c2sp.org/tlog-proof); its extra data is the record's
chain hash.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import NamedTuple

from twins.runtime.log.tree import Read, leaf_hash, node_hash, range_hash

FIRST_LINE = "c2sp.org/tlog-proof@v1"


class ProofRefused(Exception):
    """A proof that cannot be read, or that does not prove what it should."""


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << ((size - 1).bit_length() - 1)


def inclusion(read: Read, index: int, size: int) -> list[bytes]:
    """The audit path of leaf `index` (from 0) in the tree of `size` leaves, from the bottom."""
    path, low, high = [], 0, size
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            path.append(range_hash(read, middle, high))
            high = middle
        else:
            path.append(range_hash(read, low, middle))
            low = middle
    return path[::-1]


def root_by_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root that the audit path gives for a leaf's hash (RFC 9162 section 2.1.3.2).

    Raises:
        ProofRefused: the path has another length.
    """
    if not 0 <= index < size:
        raise ProofRefused(f"a tree of {size} leaves has no leaf {index}")
    n, last, root = index, size - 1, leaf
    for node in path:
        if last == 0:
            raise ProofRefused("the proof is too long")
        if n & 1 or n == last:
            root = node_hash(node, root)
            n, last = _climb(n, last)
        else:
            root = node_hash(root, node)
        n, last = n >> 1, last >> 1
    if last:
        raise ProofRefused("the proof is too short")
    return root


def consistency(read: Read, old: int, size: int) -> list[bytes]:
    """The proof that the tree of `old` leaves (at least 1) is the beginning of the one of `size` leaves."""
    path, low, high, whole = [], 0, size, True
    while old != high:
        middle = low + _split(high - low)
        if old <= middle:
            path.append(range_hash(read, middle, high))
            high = middle
        else:
            path.append(range_hash(read, low, middle))
            low, whole = middle, False
    if not whole:
        path.append(range_hash(read, low, high))
    return path[::-1]


def roots_by_consistency(old: int, size: int, old_root: bytes, path: Sequence[bytes]) -> tuple[bytes, bytes]:
    """The roots of both trees that the proof gives (RFC 9162 section 2.1.4.2).

    Raises:
        ProofRefused: the path has another length.
    """
    if not 1 <= old <= size:
        raise ProofRefused(f"no tree of {old} leaves is the beginning of one of {size}")
    whole = old & (old - 1) == 0
    nodes = [old_root, *path] if whole or old == size else list(path)
    if not nodes or (old == size and path):
        raise ProofRefused("the proof has the wrong length")
    n, last = (0, 0) if old == size else (old - 1, size - 1)
    while n & 1:
        n, last = n >> 1, last >> 1
    first = second = nodes[0]
    for node in nodes[1:]:
        if last == 0:
            raise ProofRefused("the proof is too long")
        if n & 1 or n == last:
            first, second = node_hash(node, first), node_hash(node, second)
            n, last = _climb(n, last)
        else:
            second = node_hash(second, node)
        n, last = n >> 1, last >> 1
    if last:
        raise ProofRefused("the proof is too short")
    return first, second


def _climb(n: int, last: int) -> tuple[int, int]:
    """The place of a node whose next sibling is on its left."""
    while not n & 1 and n:
        n, last = n >> 1, last >> 1
    return n, last


class RecordProof(NamedTuple):
    """That the log of `checkpoint` (a signed note) holds the record `seq` with this chain hash."""

    seq: int
    hash: bytes
    path: list[bytes]
    checkpoint: str

    def text(self) -> str:
        """The proof as C2SP's tlog-proof."""
        hashes = "".join(f"{_base64(node)}\n" for node in self.path)
        return f"{FIRST_LINE}\nextra {_base64(self.hash)}\nindex {self.seq - 1}\n{hashes}\n{self.checkpoint}"

    def root(self, size: int) -> bytes:
        """The root that the proof gives for a tree of `size` leaves.

        Raises:
            ProofRefused: it gives none.
        """
        return root_by_inclusion(leaf_hash(self.hash), self.seq - 1, size, self.path)


def read_proof(text: str) -> RecordProof:
    """The proof in the text.

    Raises:
        ProofRefused: it is none.
    """
    head, separator, checkpoint = text.partition("\n\n")
    lines = head.split("\n")
    try:
        if not separator or lines[0] != FIRST_LINE:
            raise ValueError
        extra, index = lines[1].removeprefix("extra "), lines[2].removeprefix("index ")
        path = [base64.b64decode(line, validate=True) for line in lines[3:]]
        return RecordProof(int(index) + 1, base64.b64decode(extra, validate=True), path, checkpoint)
    except (IndexError, ValueError, binascii.Error):
        raise ProofRefused(f"this is no proof; it must begin with {FIRST_LINE}, extra and index") from None


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
