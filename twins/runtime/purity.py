"""Purity: whether a reducer asks for anything but its context, found out while it runs again.

An audit hook (PEP 578) sees files, sockets and processes, a profile function (`sys.setprofile`) every call of
a clock or of chance from Python code. That is a check of our own reducers, not a wall around foreign ones.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from types import FrameType
from typing import Any

_EVENTS = ("open", "socket.", "subprocess.", "os.", "shutil.", "ctypes.", "urllib.")
_CLOCKS = ("time", "monotonic", "perf_counter", "process_time", "thread_time", "clock_gettime")
_DATES = ("now", "utcnow", "today")
_OFFERED: dict[str, Any] = {
    **{
        f"time.{name}{unit}": getattr(time, f"{name}{unit}", None) for name in _CLOCKS for unit in ("", "_ns")
    },
    **{f"os.{name}": getattr(os, name, None) for name in ("urandom", "getrandom")},
    # The one generator that every caller of the module shares; one with a seed of its own is no chance.
    **{f"random.{name}": getattr(random, name) for name in ("random", "getrandbits")},
}
_FORBIDDEN = {function: name for name, function in _OFFERED.items() if function is not None}


class Reached(Exception):
    """A reducer reached for the world outside its context."""


class Watch:
    """`reached` is the first thing for which a reducer reached, or "", also if it hid that it was refused."""

    def __init__(self) -> None:
        self.reached = ""

    def refuse(self, what: str) -> None:
        self.reached = self.reached or what
        raise Reached(what)

    def called(self, _frame: FrameType, event: str, function: Any) -> None:
        """A profile function."""
        if event != "c_call":
            return
        name = _FORBIDDEN.get(function) or _date(function)
        if name:
            self.refuse(name)


_watching: list[Watch] = []
_hooked: list[Callable[..., None]] = []


@contextmanager
def watched() -> Iterator[Watch]:
    """Refuse, in this thread, what is outside a context.

    The refusal is the exception Reached, raised where the reducer reached.
    """
    if not _hooked:
        # A hook cannot be taken away again, so one serves for the life of the process.
        sys.addaudithook(_audited)
        _hooked.append(_audited)
    watch, before = Watch(), sys.getprofile()
    _watching.append(watch)
    sys.setprofile(watch.called)
    try:
        yield watch
    finally:
        sys.setprofile(before)
        _watching.pop()


def _audited(event: str, _arguments: Any) -> None:
    if _watching and event.startswith(_EVENTS):
        _watching[-1].refuse(event)


def _date(function: Any) -> str:
    """The name of a date's, or a datetime's, way to ask the clock, or ""."""
    if function.__name__ not in _DATES:
        return ""
    of = function.__self__
    return f"{of.__name__}.{function.__name__}" if isinstance(of, type) and issubclass(of, date) else ""
