"""What a sleeping twin costs to wake, and an idle one to keep: measured from outside, on a living host."""

from __future__ import annotations

import http.client
import socket
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from twins.host.client import HostClient
from twins.host.paths import socket_of

_MIB = 1024.0
_REQUEST = b"GET /healthz HTTP/1.1\r\nHost: twin\r\nConnection: close\r\n\r\n"


class Memory(NamedTuple):
    """One process: memory that it alone has, and its share of all, in MiB (proc(5), smaps_rollup)."""

    unique: float
    proportional: float


class Measured(NamedTuple):
    """`twins` that were woken one by one: milliseconds from connecting to the answer, and MiB each."""

    twins: int
    first_answer_p50: float
    first_answer_p95: float
    unique: float
    proportional: float


def measure(home: Path, slugs: Sequence[str], settle_seconds: float = 1.0) -> Measured:
    """Wake sleeping twins of the host of `home`; their memory is read when all have been idle for a while.

    Raises:
        HostUnreachable, HostError: the host does not answer.
        OSError: a twin does not answer; /proc may not be read, as it is by other users than root.
    """
    times = sorted(first_answer(socket_of(home, slug)) for slug in slugs)
    time.sleep(settle_seconds)
    pids = {twin["slug"]: twin["pid"] for twin in HostClient(home).list()}
    memories = [memory_of(pids[slug]) for slug in slugs]
    return Measured(
        len(times),
        statistics.median(times),
        times[int(0.95 * (len(times) - 1))],
        statistics.median(memory.unique for memory in memories),
        statistics.median(memory.proportional for memory in memories),
    )


def first_answer(address: Path) -> float:
    """Milliseconds from connecting to a twin's socket until its answer is there; OSError when it is none."""
    with socket.socket(socket.AF_UNIX) as caller:
        began = time.perf_counter()
        caller.connect(str(address))
        caller.sendall(_REQUEST)
        response = http.client.HTTPResponse(caller)
        response.begin()
        response.read()
        taken = 1000 * (time.perf_counter() - began)
    if response.status != http.client.OK:
        raise OSError(f"{address} answered {response.status}")
    return taken


def memory_of(pid: int) -> Memory:
    """A process's memory now."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    kib = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
    return Memory((kib["Private_Clean"] + kib["Private_Dirty"]) / _MIB, kib["Pss"] / _MIB)
