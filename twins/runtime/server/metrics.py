"""`GET /metrics`: the twin's counters for Prometheus."""

from __future__ import annotations

import os
from pathlib import Path

from twins.runtime.metrics import family, histogram
from twins.runtime.rights import SLICES
from twins.runtime.sandbox.seccomp import in_force
from twins.runtime.server.keys import require, twin_of
from twins.runtime.server.wire import Answer, Request
from twins.runtime.slices import table_of
from twins.runtime.twin import Twin

TEXT = "text/plain; version=0.0.4; charset=utf-8"


async def metrics(request: Request) -> Answer:
    """For whoever may read the audit."""
    require(request, "can_read_audit")
    return Answer(200, "".join(_families(twin_of(request))).encode(), TEXT)


def _families(twin: Twin) -> list[str]:
    counted, callers = twin.metrics, twin.callers
    calls = [({"reducer": name, "outcome": how}, n) for (name, how), n in sorted(counted.calls.items())]
    sizes = [({"slice": row["name"]}, *_size(twin, row["name"])) for _, row in twin.state.scan(SLICES)]
    tokens = [({"result": "hit"}, callers.hits), ({"result": "miss"}, callers.misses)]
    return [
        family("mycelium_calls_total", "counter", "Calls by reducer and outcome.", calls),
        family("mycelium_seq", "gauge", "The last record.", [({}, twin.log.seq)]),
        family("mycelium_durable_seq", "gauge", "The last record on disk.", [({}, twin.log.durable)]),
        histogram(
            "mycelium_commit_batch_records", "Records that reached the disk together.", counted.batches
        ),
        histogram("mycelium_commit_seconds", "From a batch's first record to the disk.", counted.seconds),
        family("mycelium_subscriptions", "gauge", "Live now.", [({}, len(twin.hub.subscriptions))]),
        family("mycelium_live_sent_total", "counter", "Live messages sent.", [({}, counted.sent)]),
        family(
            "mycelium_live_held_total", "counter", "Commits merged for slow readers.", [({}, counted.held)]
        ),
        family("mycelium_slice_objects", "gauge", "Objects.", [(name, rows) for name, rows, _ in sizes]),
        family("mycelium_slice_bytes", "gauge", "Their bytes.", [(name, size) for name, _, size in sizes]),
        family("mycelium_tokens_total", "counter", "Tokens known, or verified anew.", tokens),
        family("mycelium_sandboxed", "gauge", "Whether system calls are filtered.", [({}, int(in_force()))]),
        family("process_resident_memory_bytes", "gauge", "Resident memory.", [({}, _resident())]),
    ]


def _size(twin: Twin, slice_: str) -> tuple[int, int]:
    table = table_of(slice_)
    keys = twin.state.keys(table)
    return len(keys), sum(len(twin.state.raw(table, key) or b"") for key in keys)


def _resident() -> int:
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
