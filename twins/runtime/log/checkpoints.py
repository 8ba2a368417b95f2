"""Checkpoints: the tree over a log's records, signed again and again, and the proofs from it.

A checkpoint covers only what is on disk. The last one is kept in `log/checkpoint`; it is no record, so
that it does not feed itself. Hashing, signing and files are work for one thread beside the loop, which a
twin that writes little on a quick disk does not need.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from twins.runtime import files
from twins.runtime.log import proofs, tree
from twins.runtime.log.notes import Checkpoint, NoteRefused, open_checkpoint, origin_of, sign, signed_text
from twins.runtime.log.segments import folder_of
from twins.runtime.log.tree import HASH_BYTES, Tree, TreeUnreadable
from twins.runtime.problems import not_found

RECORDS, SECONDS = 256, 1.0
# So many records are signed in the loop, as long as that takes no longer.
FEW, QUICK_SECONDS = 16, 0.01
Signer = Callable[[], bytes]
Leaves = Callable[[], Iterator[bytes]]
logger = logging.getLogger(__name__)


class Forked(Exception):
    """The log is not the one over which the twin signed a checkpoint."""


def path_of(directory: Path) -> Path:
    """The file with the last checkpoint."""
    return folder_of(directory) / "checkpoint"


def kept(directory: Path) -> str:
    """The last checkpoint that was written, or "" if none was.

    Raises:
        OSError: it cannot be read.
    """
    try:
        return path_of(directory).read_bytes().decode(errors="replace")
    except FileNotFoundError:
        return ""


class Checkpoints:
    """The tree and the checkpoints of one log; `all_leaves` reads every chain hash again from the frames."""

    def __init__(self, directory: Path, all_leaves: Leaves) -> None:
        self._directory = directory
        self._all_leaves = all_leaves
        self.tree = Tree(folder_of(directory) / "tree")
        self.text = ""
        self._origin = ""
        self._signer: Signer | None = None
        self._waiting: list[bytes] = []
        self._signing: list[bytes] = []
        self._added = 0
        self._written, self._written_at = "", 0.0
        self._pool: ThreadPoolExecutor | None = None
        self._job: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._quick = True

    def recover(
        self, twin: str, keys: Iterable[str], base: int, edge: Iterable[bytes], hashes: bytes
    ) -> None:
        """Take the tree up again, and compare the log with the last checkpoint.

        Args:
            twin: the twin's ULID.
            keys: the twin's public keys, each the `x` of a JWK.
            base, edge: a tree that is known; 0 and nothing for none.
            hashes: the chain hashes of the records after `base`, one after the other.

        Raises:
            Forked: the log is shorter than the checkpoint, or another one.
        """
        self._origin = origin_of(twin)
        text = kept(self._directory)
        last, signed = self._last(text, keys) if text else (None, False)
        if last is not None and last.size > base + len(hashes) // HASH_BYTES:
            raise Forked(f"a checkpoint over {last.size} records was signed")
        if last is None or last.size < base or not self._resume(last, base, hashes):
            self._rebuild(last, base, edge, hashes)
        if signed:
            self.text = self._written = text

    def _last(self, text: str, keys: Iterable[str]) -> tuple[Checkpoint, bool]:
        """What the last checkpoint says, and whether one of the keys signed it. One that an earlier key
        signed is not shown any more, yet must agree with the log like every other.

        Raises:
            Forked: it is not a checkpoint of this log.
        """
        try:
            return open_checkpoint(text, self._origin, keys), True
        except NoteRefused as refused:
            logger.warning("the last checkpoint cannot be shown (%s); a new one will be made", refused)
        try:
            found = signed_text(text)
        except NoteRefused:
            raise Forked("its last checkpoint cannot be read") from None
        if found.origin != self._origin:
            raise Forked("its last checkpoint is of another log")
        return found, False

    def _resume(self, last: Checkpoint, base: int, hashes: bytes) -> bool:
        """Go on from the tree's file, if it gives the root that was signed and ends with the log's own
        record.
        """
        if not base < last.size:
            return False
        leaf = tree.leaf_hash(_nth(hashes, last.size - base - 1))
        try:
            path = proofs.inclusion(self.tree.read, last.size - 1, last.size)
            edge = self.tree.edge_at(last.size)
        except TreeUnreadable:
            return False
        proven = proofs.root_by_inclusion(leaf, last.size - 1, last.size, path)
        if proven != last.root or tree.root_of(edge) != last.root:
            return False
        self.tree.start(last.size, edge)
        self.tree.extend(_cut(hashes, last.size - base))
        return True

    def _rebuild(self, last: Checkpoint | None, base: int, edge: Iterable[bytes], hashes: bytes) -> None:
        self.tree.start(base, list(edge))
        done = 0
        if last is not None and last.size >= base:
            done = last.size - base
            self.tree.extend(_cut(hashes[: done * HASH_BYTES]))
            if self.tree.root()[1] != last.root:
                raise Forked(
                    f"its first {last.size} records are not those over which a checkpoint was signed"
                )
        self.tree.extend(_cut(hashes, done))

    def start(self, signer: Signer) -> None:
        """Begin to sign, with the seed that the signer gives; needs a running loop."""
        self._signer, self._added = signer, self.tree.size
        if not self.text or signed_text(self.text).size != self.tree.size:
            self._timer = asyncio.get_running_loop().call_later(SECONDS, self._begin)

    def stop(self) -> None:
        """Sign nothing more."""
        self._signer = None

    def add(self, hashes: list[bytes]) -> None:
        """The chain hashes of records that came to the disk."""
        self._waiting += hashes
        self._schedule()

    def edge(self) -> list[bytes]:
        """The right edge of the tree over every record that came to the disk."""
        size, edge = self.tree.now()
        leaves = self._waiting if size == self._added else [*self._signing, *self._waiting]
        tree.grow(size, edge, leaves)
        return edge

    def _schedule(self) -> None:
        if self._job is not None:
            return
        if len(self._waiting) >= RECORDS:
            self._begin()
        elif self._timer is None and (self._waiting or self._written != self.text):
            self._timer = asyncio.get_running_loop().call_later(SECONDS, self._begin)

    def _begin(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._job is not None or self._signer is None:
            return
        leaves, self._waiting = self._waiting, []
        self._signing, self._added = leaves, self.tree.size + len(leaves)
        if self._quick and len(leaves) <= FEW:
            self._sign_now(leaves, self._signer())
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, "checkpoints")
        loop = asyncio.get_running_loop()
        self._job = loop.run_in_executor(self._pool, self._sign, leaves, self._signer(), False)
        self._job.add_done_callback(self._ended)

    def _sign_now(self, leaves: list[bytes], seed: bytes) -> None:
        began = time.monotonic()
        try:
            self._sign(leaves, seed, False)
        except Exception as error:  # noqa: BLE001 - as from the thread
            self._go_on(error)
        else:
            self._quick = time.monotonic() - began < QUICK_SECONDS
            self._go_on(None)

    def _ended(self, job: asyncio.Future[None]) -> None:
        self._job = None
        self._go_on(None if job.cancelled() else job.exception())

    def _go_on(self, error: BaseException | None) -> None:
        if error is not None:
            logger.error("no checkpoint could be made: %s", error)
            self._signer = None
            return
        self._schedule()

    def _sign(self, leaves: list[bytes], seed: bytes, last: bool) -> None:
        self.tree.extend(leaves)
        size, root = self.tree.root()
        self.text = sign(self._origin, seed, Checkpoint(self._origin, size, root).text())
        if (last or time.monotonic() - self._written_at >= SECONDS) and self._written != self.text:
            files.write_private(path_of(self._directory), self.text.encode())
            self._written, self._written_at = self.text, time.monotonic()

    async def close(self) -> None:
        """Sign what is left and return when it is on disk."""
        if self._timer is not None:
            self._timer.cancel()
        if self._job is not None:
            await asyncio.wait([self._job])
        if self._pool is not None:
            self._pool.shutdown()
        if self._signer is not None and (self._waiting or self._written != self.text):
            self._sign(self._waiting, self._signer(), True)

    def inclusion(self, seq: int, size: int) -> list[bytes]:
        """That record `seq` is in the tree of `size` records; blocking.

        Raises:
            Problem: 404, there is no such record or tree yet.
        """
        self._check_size(size)
        if not 1 <= seq <= size:
            raise not_found(f"record {seq} among the first {size}")
        return self._proven(lambda: self._inclusion(seq, size))

    def consistency(self, old: int, size: int) -> list[bytes]:
        """That the tree of `old` records is the beginning of the one of `size`; blocking.

        Raises:
            Problem: 404, there is no such tree yet.
        """
        self._check_size(size)
        if not 1 <= old <= size:
            raise not_found(f"tree of {old} records below {size}")
        return self._proven(lambda: self._consistency(old, size))

    def signed(self) -> tuple[str, int]:
        """The newest checkpoint and its size.

        Raises:
            Problem: 404, there is none yet.
        """
        text = self.text
        if not text:
            raise not_found("checkpoint yet")
        return text, signed_text(text).size

    def _check_size(self, size: int) -> None:
        if not 1 <= size <= self.tree.size:
            raise not_found(f"tree of {size} records; the newest has {self.tree.size}")

    def _proven(self, prove: Callable[[], list[bytes]]) -> list[bytes]:
        """The proof; if the tree's file does not give the root that memory knows, the file is made again
        first.
        """
        try:
            return prove()
        except (TreeUnreadable, proofs.ProofRefused):
            logger.warning("the file of the tree does not hold; making it again from the records")
        self.tree.rewrite(self._all_leaves())
        return prove()

    def _inclusion(self, seq: int, size: int) -> list[bytes]:
        read, root = self.tree.read, self._root_at(size)
        path = proofs.inclusion(read, seq - 1, size)
        if proofs.root_by_inclusion(read(0, seq - 1), seq - 1, size, path) != root:
            raise proofs.ProofRefused
        return path

    def _consistency(self, old: int, size: int) -> list[bytes]:
        self._root_at(old)
        self._root_at(size)
        return proofs.consistency(self.tree.read, old, size)

    def _root_at(self, size: int) -> bytes:
        """The root that the file has for a smaller tree, proven against the one in memory."""
        total, known = self.tree.root()
        root = tree.root_of(self.tree.edge_at(size))
        path = proofs.consistency(self.tree.read, size, total)
        if proofs.roots_by_consistency(size, total, root, path) != (root, known):
            raise proofs.ProofRefused
        return root


def _nth(hashes: bytes, n: int) -> bytes:
    return hashes[n * HASH_BYTES : (n + 1) * HASH_BYTES]


def _cut(hashes: bytes, start: int = 0) -> Iterator[bytes]:
    for at in range(start * HASH_BYTES, len(hashes), HASH_BYTES):
        yield hashes[at : at + HASH_BYTES]
