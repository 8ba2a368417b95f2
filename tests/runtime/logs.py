"""Small logs without a twin around them. As a program it writes one and prints each seq that is on disk."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import uvloop

from twins.runtime.client import public_x
from twins.runtime.keytree import KeyTree
from twins.runtime.log import commitlog, disk
from twins.runtime.log.aio import Aio
from twins.runtime.log.commitlog import Commitlog
from twins.runtime.log.record import Record
from twins.runtime.log.recovery import Recovered
from twins.runtime.log.scan import Position
from twins.runtime.log.seal import Keyring, Seal
from twins.runtime.state import Effect, State

TWIN = "01JABCDEFGHJKMNPQRSTVWXYZ0"
# A segment of about three records.
SMALL = 700
KEY, SEED = bytes(range(32)), bytes(range(1, 33))
X = public_x(SEED)
DISKS: dict[str, Callable[[Path], disk.Disk]] = {
    "aio": lambda _: disk.AioDisk(Aio()),
    "thread": lambda _: disk.ThreadDisk(),
    "best": disk.open_disk,
}


def known() -> tuple[str, list[str]]:
    return TWIN, [X]


def seal(keys: Keyring | None = None) -> Seal:
    return Seal(KEY, keys or KeyTree.new(KEY))


def record(
    seq: int, effects: Sequence[Effect] = (), at: str = "2030-01-01T00:00:00.000Z", **more: Any
) -> Record:
    return Record(
        seq=seq, at=at, kind="call", caller="user:a", reducer="r", args={"n": seq}, effects=effects, **more
    )


def make(directory: Path) -> Path:
    """A log with its first record."""
    commitlog.create(directory, seal(), TWIN, record(1, [Effect("t", "first", b"1")]))
    return directory


class Open:
    """A log that was recovered into a state, and that `write` opens for a while."""

    def __init__(
        self,
        directory: Path,
        *,
        segment_bytes: int = 1 << 20,
        disk: str = "thread",
        keys: Keyring | None = None,
        start: Position | None = None,
    ) -> None:
        self.state = State()
        self.log = Commitlog(directory, seal(keys), segment_bytes, DISKS[disk])
        self.found: Recovered = self.log.recover(self._apply, known, start)

    def _apply(self, seq: int, effects: Sequence[Effect]) -> None:
        self.state.apply(effects, seq)

    def write(self, batches: Sequence[Sequence[Sequence[Effect]]]) -> Open:
        """Append records, each given by its effects; those of a batch go to the disk together."""

        async def run() -> None:
            self.log.open(lambda _: None, lambda: SEED)
            for batch in batches:
                for effects in batch:
                    self.log.append(record(self.log.seq + 1, effects, self.log.now()))
                    self.state.apply(effects, self.log.seq)
                await self.log.wait(self.log.seq)
            await self.log.close()

        asyncio.run(run())
        return self


def put(key: str, size: int = 1) -> list[Effect]:
    """The effects of a record that writes one row."""
    return [Effect("t", key, b'"' + b"x" * size + b'"')]


async def acknowledge(directory: Path, kind: str, callers: int, records: int) -> None:
    """Write with several callers at once; print what is on disk as soon as it is."""
    log = Commitlog(directory, seal(), 1 << 16, DISKS[kind])
    log.recover(lambda _seq, _effects: None, known)
    log.open(lambda _: None, lambda: SEED)

    async def call() -> None:
        for _ in range(records):
            seq = log.seq + 1
            log.append(record(seq, put(f"k{seq}", 200)))
            await log.wait(seq)
            print(seq, flush=True)

    await asyncio.gather(*(call() for _ in range(callers)))
    await log.close()


if __name__ == "__main__":
    where, kind, loop, callers, records = sys.argv[1:]
    run = uvloop.run if loop == "uvloop" else asyncio.run
    run(acknowledge(Path(where), kind, int(callers), int(records)))
