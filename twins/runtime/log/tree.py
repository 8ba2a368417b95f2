"""Tree: the Merkle tree of RFC 6962 section 2.1 over the records of a log.

The data of a leaf is its record's chain hash. Memory holds the right edge only: the roots of the complete
subtrees, largest first. Every node lies in the file `log/tree`, 32 bytes each, in the order of the stored
hashes of Go's `golang.org/x/mod/sumdb/tlog`: after each leaf the nodes that it completed, from the bottom
up. The file is derived from the frames and never trusted: whoever reads nodes compares the root that they
give.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

HASH_BYTES = 32
_AT_ONCE = 4096
EMPTY = hashlib.sha256(b"").digest()
_sha256 = hashlib.sha256
Read = Callable[[int, int], bytes]


class TreeUnreadable(Exception):
    """The file does not hold a node that it should."""


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf."""
    return _sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return _sha256(b"\1" + left + right).digest()


def grow(size: int, edge: list[bytes], leaves: Iterable[bytes]) -> list[bytes]:
    """Add leaves to the right edge of a tree of `size`; the nodes that they complete, in stored order."""
    stored = []
    for data in leaves:
        node = _sha256(b"\0" + data).digest()
        stored.append(node)
        n = size
        while n & 1:
            node = _sha256(b"\1" + edge.pop() + node).digest()
            stored.append(node)
            n >>= 1
        edge.append(node)
        size += 1
    return stored


def root_of(edge: Sequence[bytes]) -> bytes:
    """The root of the tree whose right edge this is."""
    if not edge:
        return EMPTY
    root = edge[-1]
    for left in reversed(edge[:-1]):
        root = node_hash(left, root)
    return root


def stored_index(level: int, n: int) -> int:
    """Where node `n` of a level lies among the stored hashes."""
    for _ in range(level):
        n = 2 * n + 1
    total = 0
    while n:
        total += n
        n >>= 1
    return total + level if level else total


def stored_count(size: int) -> int:
    """How many hashes are stored for a tree of `size` leaves."""
    return 2 * size - size.bit_count()


def subtrees(low: int, high: int) -> list[tuple[int, int]]:
    """The complete subtrees `(level, n)` that cover the leaves from `low` to before `high`, from the left."""
    found = []
    while low < high:
        level = (high - low).bit_length() - 1
        if low:
            level = min(level, (low & -low).bit_length() - 1)
        found.append((level, low >> level))
        low += 1 << level
    return found


def range_hash(read: Read, low: int, high: int) -> bytes:
    """RFC 6962's MTH over the leaves from `low` to before `high`, a range that some tree has as a node."""
    return root_of([read(level, n) for level, n in subtrees(low, high)])


class Tree:
    """The tree of a log that grows, and its file. Its methods may be called from several threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._fd = -1
        self.size = 0
        self.edge: list[bytes] = []

    def edge_at(self, size: int) -> list[bytes]:
        """The right edge that the file has for a tree of `size` leaves.

        Raises:
            TreeUnreadable: the file is missing or too short.
        """
        return [self.read(level, n) for level, n in subtrees(0, size)]

    def start(self, size: int, edge: Sequence[bytes]) -> None:
        """Go on from a tree that is known; what the file holds beyond it is cut.

        Raises:
            OSError: the file cannot be made.
        """
        with self._lock:
            self.size, self.edge = size, list(edge)
            self._open(os.O_RDWR | os.O_CREAT)
            os.ftruncate(self._fd, stored_count(size) * HASH_BYTES)

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Add leaves, given as their records' chain hashes."""
        with self._lock:
            self.size, self.edge = self._grow(self.size, self.edge, iter(leaves))

    def rewrite(self, leaves: Iterable[bytes]) -> None:
        """Make the file again from all the leaves.

        Raises:
            TreeUnreadable: they give another tree.
        """
        with self._lock:
            found = self._grow(0, [], islice(leaves, self.size))
        if found != (self.size, self.edge):
            raise TreeUnreadable("the records are not those of the tree")

    def _grow(self, size: int, edge: list[bytes], leaves: Iterator[bytes]) -> tuple[int, list[bytes]]:
        edge = list(edge)
        while chunk := list(islice(leaves, _AT_ONCE)):
            offset = stored_count(size) * HASH_BYTES
            stored = grow(size, edge, chunk)
            size += len(chunk)
            self._write(b"".join(stored), offset)
        return size, edge

    def root(self) -> tuple[int, bytes]:
        """The size and the root."""
        size, edge = self.now()
        return size, root_of(edge)

    def now(self) -> tuple[int, list[bytes]]:
        """The size and the right edge."""
        with self._lock:
            return self.size, list(self.edge)

    def read(self, level: int, n: int) -> bytes:
        """A node from the file.

        Raises:
            TreeUnreadable: the file is missing or too short.
        """
        try:
            if self._fd < 0:
                self._open(os.O_RDONLY)
            found = os.pread(self._fd, HASH_BYTES, stored_index(level, n) * HASH_BYTES)
        except OSError as error:
            raise TreeUnreadable(f"{self._path} cannot be read: {error.strerror}") from None
        if len(found) < HASH_BYTES:
            raise TreeUnreadable(f"{self._path} is too short")
        return found

    def close(self) -> None:
        with self._lock:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1

    def _open(self, flags: int) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = os.open(self._path, flags | os.O_CLOEXEC, 0o600)

    def _write(self, data: bytes, offset: int) -> None:
        view = memoryview(data)
        while view:
            written = os.pwrite(self._fd, view, offset)
            view, offset = view[written:], offset + written
