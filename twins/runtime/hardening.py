"""Hardening: what a process that holds keys does before it opens the first of them."""

from __future__ import annotations

import ctypes
import resource
import sys

_PR_SET_DUMPABLE = 4
_libc = ctypes.CDLL(None, use_errno=True)


def no_core_dumps() -> None:
    """Let nothing of this process's memory reach a disk when it crashes, nor another process of its user.

    No core file (setrlimit(2)), also where cores are piped to a program, and no ptrace(2) or /proc/<pid>/mem
    without the rights of root (prctl(2), PR_SET_DUMPABLE).

    Raises:
        OSError: the kernel does not do it.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        if _libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_DUMPABLE) was refused")
