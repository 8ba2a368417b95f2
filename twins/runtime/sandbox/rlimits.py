"""Limits of one twin's process (setrlimit(2))."""

from __future__ import annotations

import resource

MEMORY_BYTES = 1 << 30
# Files that are mapped to be read (log, snapshots) take addresses, not memory.
_MAPPED_BYTES = 2 << 30
_FILES = 8192
_THREADS = 64


def apply(*, own_user: bool) -> None:
    """Limit memory, files, threads and core dumps; OSError or ValueError when it cannot be done.

    `own_user`: no other process has this user. Threads are counted by user, so only then are they limited.
    """
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_DATA: MEMORY_BYTES,
        resource.RLIMIT_AS: MEMORY_BYTES + _MAPPED_BYTES,
        resource.RLIMIT_NOFILE: _FILES,
    }
    if own_user:
        limits[resource.RLIMIT_NPROC] = _THREADS
    for which, wanted in limits.items():
        _, most = resource.getrlimit(which)
        value = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
        resource.setrlimit(which, (value, value))
