"""POSIX AIO of glibc by ctypes: writes that neither need Python's lock nor block the loop.

glibc writes in a thread of its own and tells the end by a real-time signal, which this process keeps
blocked and reads through a signalfd (aio(7), signalfd(2)). A thread that had not blocked the signal would
be killed by it, so this is used only by processes with one thread; threads that start later inherit the mask.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

_EINPROGRESS = 115
_SELF_TEST_SECONDS = 2.0
_SIGEV_SIGNAL = 0
_IDLE_SECONDS = 3600


class _SigEvent(ctypes.Structure):
    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signo", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("pad", ctypes.c_int * 12),
    )


class _Control(ctypes.Structure):
    """`struct aiocb` of glibc on 64-bit Linux."""

    _fields_ = (
        ("fd", ctypes.c_int),
        ("opcode", ctypes.c_int),
        ("priority", ctypes.c_int),
        ("buffer", ctypes.c_void_p),
        ("size", ctypes.c_size_t),
        ("event", _SigEvent),
        ("next", ctypes.c_void_p),
        ("absolute_priority", ctypes.c_int),
        ("policy", ctypes.c_int),
        ("error", ctypes.c_int),
        ("returned", ctypes.c_ssize_t),
        ("offset", ctypes.c_int64),
        ("reserved", ctypes.c_char * 32),
    )


class _Init(ctypes.Structure):
    """`struct aioinit` of glibc."""

    _fields_ = tuple(
        (name, ctypes.c_int)
        for name in ("threads", "requests", "locks", "usedba", "debug", "users", "idle_seconds", "reserved")
    )


class AioUnavailable(Exception):
    """This process cannot write that way."""


def _library() -> Any:
    fits = ctypes.sizeof(_SigEvent) == 64 and ctypes.sizeof(_Control) == 168
    glibc = "CS_GNU_LIBC_VERSION" in os.confstr_names and os.confstr("CS_GNU_LIBC_VERSION")
    if sys.platform != "linux" or not fits or not glibc or sys.maxsize < 1 << 32:
        raise AioUnavailable("this is not glibc on 64-bit Linux")
    try:
        library = ctypes.CDLL(None, use_errno=True)
        library.aio_return.restype = ctypes.c_ssize_t
        for function in (library.aio_write, library.aio_error, library.aio_init, library.signalfd):
            function.restype = ctypes.c_int
    except (OSError, AttributeError):
        raise AioUnavailable("this libc has no AIO") from None
    return library


class Aio:
    """One write under way at a time; `fileno` is readable when it has ended.

    Raises:
        AioUnavailable: another libc, or another thread that the signal would kill.
    """

    def __init__(self) -> None:
        self._library = _library()
        if len(list(Path("/proc/self/task").iterdir())) > 1:
            raise AioUnavailable("the process has other threads already")
        self._signal = signal.SIGRTMIN + 5
        self._before = signal.pthread_sigmask(signal.SIG_BLOCK, [self._signal])
        mask = (ctypes.c_uint64 * 16)()
        mask[0] = 1 << (self._signal - 1)
        self.fileno = self._library.signalfd(-1, mask, os.O_NONBLOCK | os.O_CLOEXEC)
        if self.fileno < 0:
            raise AioUnavailable("signalfd was refused")
        self._library.aio_init(ctypes.byref(_Init(1, 1, idle_seconds=_IDLE_SECONDS)))
        self._control = _Control()
        self._control.event.signo = self._signal
        self._control.event.notify = _SIGEV_SIGNAL
        self._pointer = ctypes.byref(self._control)
        self._data = b""

    def submit(self, fd: int, data: bytes, offset: int) -> None:
        """Begin to write.

        Raises:
            OSError: it was not taken.
        """
        control = self._control
        self._data = data
        control.fd, control.size, control.offset = fd, len(data), offset
        control.buffer = ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p)
        if self._library.aio_write(self._pointer):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    def result(self) -> bool:
        """Whether the write has ended, and well.

        Raises:
            OSError: it failed, or was short.
        """
        try:
            os.read(self.fileno, 128)
        except BlockingIOError:
            return False
        error = self._library.aio_error(self._pointer)
        if error == _EINPROGRESS:
            return False
        written = self._library.aio_return(self._pointer)
        if error or written < 0:
            raise OSError(error, os.strerror(error))
        if written != len(self._data):
            raise OSError(0, f"only {written} of {len(self._data)} bytes were written")
        self._data = b""
        return True

    def test(self, directory: Path) -> None:
        """Write once and wait for the end.

        Raises:
            AioUnavailable: it does not work here.
        """
        with tempfile.TemporaryFile(dir=directory) as file:
            try:
                self.submit(file.fileno(), b"aio", 0)
                deadline = time.monotonic() + _SELF_TEST_SECONDS
                while not self.result():
                    if time.monotonic() > deadline:
                        raise AioUnavailable("a write did not end")
                    time.sleep(0.0001)
                if os.pread(file.fileno(), 8, 0) != b"aio":
                    raise AioUnavailable("a write did not arrive")
            except OSError as error:
                raise AioUnavailable(f"a write failed: {error.strerror}") from None

    def close(self) -> None:
        """Give the signal back; nothing may be under way."""
        os.close(self.fileno)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._before)
