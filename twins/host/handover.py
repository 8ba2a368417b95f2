"""Handing over: the host runs its program anew, in the same process, with its sockets and its twins.

What the next program has to know lies in a file in memory (memfd_create(2)), whose descriptor it is told.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import NamedTuple, NoReturn

import msgspec

from twins.host.seat import Legacy

OPTION = "--resume"
# Until the next program has its handlers, any of these would end it.
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Estate(NamedTuple):
    """The descriptors of the home's lock and of the control socket, and the seats by slug."""

    lock: int
    control: int
    seats: dict[str, Legacy]


def check() -> int:
    """In a process of its own: does the program, as its files are now, start at all?"""
    with open(os.devnull, "wb") as nothing:  # noqa: PTH123 - a device, not a path of ours
        os.dup2(nothing.fileno(), 1)
    given = sys.orig_argv[1:]
    os.execv(sys.executable, [sys.executable, *given[: given.index("serve")], "serve", "--help"])


def hand_over(estate: Estate) -> NoReturn:
    """Become the next program; OSError when that is not possible, and everything is as before."""
    memory = os.memfd_create("mycelium-estate", 0)
    try:
        os.write(memory, msgspec.json.encode(estate))
        os.set_inheritable(estate.lock, True)
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        os.execv(sys.executable, [sys.executable, *_arguments(), OPTION, str(memory)])
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        os.close(memory)


def receive(memory: int) -> Estate:
    """What the last program left; ValueError when the descriptor holds no such thing."""
    with os.fdopen(memory, "rb") as file:
        file.seek(0)
        estate = msgspec.json.decode(file.read(), type=Estate)
    os.set_inheritable(estate.lock, False)
    return estate


def _arguments() -> list[str]:
    given = sys.orig_argv[1:]
    return given[: given.index(OPTION)] if OPTION in given else given
