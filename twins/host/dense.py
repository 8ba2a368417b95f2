"""Dense: what runs in every twin, moved together.

Python counts references inside the objects, so whoever runs a function writes to the page of memory on which
its code lies, and a forked process gets a copy of that page for itself. Code is loaded module by module, of
which little runs: nearly every function that does cost each twin a page. Side by side, many share one.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FrameType, FunctionType
from typing import Any

# Freed, the places that they leave would be filled by the twins, each on a page of its own.
_left: list[CodeType] = []

Ran = dict[int, CodeType]


@contextmanager
def watched() -> Iterator[Ran]:
    """The code that runs meanwhile, in this thread and in those that are started, by `id`."""
    ran: Ran = {}

    def note(frame: FrameType, event: str, _argument: Any) -> None:
        if event == "call":
            ran[id(frame.f_code)] = frame.f_code

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        yield ran
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def gather(ran: Ran) -> None:
    """Give every function whose code ran a copy of it; the copies lie one after the other."""
    copies: Ran = {}

    def copy(code: CodeType) -> CodeType:
        if id(code) not in copies:
            constants = tuple(
                copy(one) if isinstance(one, CodeType) and id(one) in ran else one for one in code.co_consts
            )
            copies[id(code)] = code.replace(co_consts=constants)
            _left.append(code)
        return copies[id(code)]

    for one in gc.get_objects():
        if type(one) is FunctionType and id(one.__code__) in ran:
            one.__code__ = copy(one.__code__)
