"""Memory: pages that a process has for itself though nothing is on them."""

from __future__ import annotations

import ctypes
import mmap
import sys

_MADV_DONTNEED = 4
_NOTHING = bytes(mmap.PAGESIZE)
_libc = ctypes.CDLL(None, use_errno=True)


def give_back_zeros(holder: object) -> None:
    """Give the pages inside an object that hold only zeros back to the kernel, for as long as they do.

    The kernel gives a page of zeros when one is written to again (madvise(2), private anonymous memory). An
    event loop of uvloop has a buffer of 250 KiB inside, which is cleared when it is made.
    """
    if sys.platform != "linux":
        return
    first = -(-id(holder) // mmap.PAGESIZE) * mmap.PAGESIZE
    end = id(holder) + type(holder).__basicsize__
    began = first
    for address in range(first, end - mmap.PAGESIZE + 1, mmap.PAGESIZE):
        if ctypes.string_at(address, mmap.PAGESIZE) == _NOTHING:
            continue
        _give_back(began, address)
        began = address + mmap.PAGESIZE
    _give_back(began, end // mmap.PAGESIZE * mmap.PAGESIZE)


def _give_back(began: int, end: int) -> None:
    if began < end:
        _libc.madvise(ctypes.c_void_p(began), ctypes.c_size_t(end - began), _MADV_DONTNEED)
