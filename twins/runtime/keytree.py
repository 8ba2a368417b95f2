"""Key tree: one key for each part of each record, any of which can be destroyed for ever.

A puncturable key derivation after Goldreich, Goldwasser and Micali: a binary tree in which the children of a
node are SHA-256 of a domain byte and the node. A part's key lies at the end of the path that spells the
record's seq (41 bits) and then the part: `0` for part 0, which nearly every record has alone, `1` and 20 bits
for any other. Only the root is stored at first. To destroy a key, the stored node above it is replaced by the
siblings along its path, from which every other key follows as before, and that one no more.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from hashlib import sha256

NODE_BYTES = 32
SEQ_BITS = 41
PART_BITS = 20
MOST_SEQ = (1 << SEQ_BITS) - 1
MOST_PART = (1 << PART_BITS) - 1
_MAGIC = b"MYCTREE1"
# Length of the path in bits, the path, the node.
_STORED = struct.Struct(f">BQ{NODE_BYTES}s")
_LEFT, _RIGHT = b"\x00", b"\x01"

Place = tuple[int, int]  # a node: how many bits its path has, and the bits as a number
Cover = dict[Place, bytes]
_Path = list[bytes | None]  # the known nodes above a record, by depth


class Shredded(Exception):
    """The key was destroyed: what it sealed can be read by nobody."""

    def __init__(self, seq: int, part: int) -> None:
        super().__init__(f"the key of part {part} of record {seq} was destroyed")


class KeyTree:
    """The stored nodes and, so that rising seqs cost two hashes each, the path to the last record asked for.

    Threads may ask while another one punctures.
    """

    def __init__(self, cover: Cover) -> None:
        self._cover = cover
        # With its cover, so that a path which a slow thread leaves behind is not used after `become`.
        self._last: tuple[Cover, int, _Path] = (cover, 0, [cover.get((0, 0)), *[None] * SEQ_BITS])

    @classmethod
    def new(cls, root: bytes) -> KeyTree:
        """The tree below 32 random bytes."""
        return cls({(0, 0): root})

    @property
    def nodes(self) -> int:
        """How many nodes are stored."""
        return len(self._cover)

    def part_key(self, seq: int, n: int) -> bytes:
        """The 32 bytes that seal part `n` of record `seq`.

        Raises:
            Shredded: the key was destroyed.
            ValueError: there is no such part.
        """
        if seq >> SEQ_BITS or n >> PART_BITS:
            raise ValueError(f"no part {n} of record {seq}: a seq has {SEQ_BITS} bits, a part {PART_BITS}")
        cover = self._cover
        of, last, path = self._last
        shared = SEQ_BITS - (seq ^ last).bit_length()
        node = path[shared] if of is cover else None
        if node is None:
            return self._key_far_off(cover, seq, n)
        if shared < SEQ_BITS:
            path = path[: shared + 1]
            for shift in range(SEQ_BITS - shared - 1, -1, -1):
                node = sha256((_RIGHT if seq >> shift & 1 else _LEFT) + node).digest()
                path.append(node)
            self._last = (cover, seq, path)
        if n == 0:
            return sha256(_LEFT + node).digest()
        return _descend(sha256(_RIGHT + node).digest(), n, PART_BITS)

    def punctured(self, points: Iterable[tuple[int, int]]) -> KeyTree:
        """A tree without the keys of these parts `(seq, n)`; what was destroyed before stays so."""
        cover = dict(self._cover)
        for seq, n in points:
            _puncture(cover, *_leaf(seq, n))
        return KeyTree(cover)

    def become(self, other: KeyTree) -> None:
        """Take over the other tree's nodes, and forget every key that does not follow from them."""
        self._last = other._last
        self._cover = other._cover

    def encode(self) -> bytes:
        """The nodes in order, 41 bytes each."""
        stored = sorted(self._cover.items())
        return _MAGIC + b"".join(_STORED.pack(bits, path, node) for (bits, path), node in stored)

    @classmethod
    def decode(cls, data: bytes) -> KeyTree:
        """The tree that `encode` wrote.

        Raises:
            ValueError: something else.
        """
        body = data[len(_MAGIC) :]
        if not data.startswith(_MAGIC) or len(body) % _STORED.size:
            raise ValueError("this is no key tree")
        return cls({(bits, path): node for bits, path, node in _STORED.iter_unpack(body)})

    def _key_far_off(self, cover: Cover, seq: int, n: int) -> bytes:
        """The key of a part whose record is not below a known node of the last path."""
        above = _above(cover, SEQ_BITS, seq)
        if above is not None:
            # As if the last record had been one that shares exactly the stored node with this one.
            below = SEQ_BITS - above[0]
            known: _Path = [*[None] * above[0], cover[above], *[None] * below]
            other = seq ^ 1 << below - 1 if below else seq
            self._last = (cover, other, known)
            return self.part_key(seq, n)
        bits, place = _leaf(seq, n)
        found = _above(cover, bits, place)
        if found is None:
            raise Shredded(seq, n)
        return _descend(cover[found], place, bits - found[0])


def _leaf(seq: int, n: int) -> Place:
    if n == 0:
        return SEQ_BITS + 1, seq << 1
    return SEQ_BITS + 1 + PART_BITS, (seq << 1 | 1) << PART_BITS | n


def _descend(node: bytes, path: int, bits: int) -> bytes:
    """The node that lies the last `bits` bits of the path below."""
    for shift in range(bits - 1, -1, -1):
        node = sha256((_RIGHT if path >> shift & 1 else _LEFT) + node).digest()
    return node


def _above(cover: Cover, bits: int, path: int) -> Place | None:
    """The stored node on the way to a place, or the place itself."""
    for up in range(bits + 1):
        place = (bits - up, path >> up)
        if place in cover:
            return place
    return None


def _puncture(cover: Cover, bits: int, path: int) -> None:
    """Replace the stored node above a leaf by the siblings along the way down."""
    found = _above(cover, bits, path)
    if found is None:
        return
    node = cover.pop(found)
    for shift in range(bits - found[0] - 1, -1, -1):
        here = path >> shift
        sibling, child = (_LEFT, _RIGHT) if here & 1 else (_RIGHT, _LEFT)
        cover[bits - shift, here ^ 1] = sha256(sibling + node).digest()
        node = sha256(child + node).digest()
