"""A million: what that many objects take in memory and as a snapshot; prints one line of JSON.

`python -m tests.bench.million DIRECTORY`, in a process of its own so that its memory is its own.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import NamedTuple

from tests.bench.store import SLICE, TABLE, body
from tests.runtime.machine import SLICES, entry, person
from twins.runtime import codec
from twins.runtime.init import create
from twins.runtime.module import load
from twins.runtime.snapshots.store import SnapshotStore
from twins.runtime.state import Effect, State
from twins.runtime.twin import Twin

COUNT, AT_ONCE = 1_000_000, 1000


class Place(NamedTuple):
    """A position that nothing continues from."""

    seq: int


def resident_mib() -> float:
    """Resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main(directory: Path) -> None:
    """Fill, save, load."""
    create(directory, slug="million", name="Million", genesis={"slices": SLICES, "owner": entry(person())})
    twin = Twin(directory, load("twin"))
    state, before, rows = twin.state, resident_mib(), []
    for start in range(0, COUNT, AT_ONCE):
        some = range(start, start + AT_ONCE)
        effects = [Effect(TABLE, f"thing-{n:07}", codec.encode({"body": body(n), "seq": 2})) for n in some]
        state.apply(effects, 2)
    rows.append(("memory of 1,000,000 objects of 320 bytes", "MiB", resident_mib() - before))
    store = SnapshotStore(directory, twin.keys)
    started = time.perf_counter()
    store.save(state.copy(), Place(2), 2)
    rows.append(("a snapshot of 1,000,000 objects, saved", "s", time.perf_counter() - started))
    del state, twin
    for _ in range(3):
        started = time.perf_counter()
        restored = State()
        found = next(iter(store.load()))
        restored.restore(found.tables, found.through)
        rows.append(("a snapshot of 1,000,000 objects, loaded", "s", time.perf_counter() - started))
        if restored.count(f"object/{SLICE}") != COUNT:
            raise RuntimeError("objects are missing")
        del restored, found
    sys.stdout.write(json.dumps(rows) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
