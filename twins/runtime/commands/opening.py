"""Opening: what commands share: how one gets at a twin's keys and keeps the twin's own process out."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from twins.runtime import keyuse, serve
from twins.runtime.keys import KeyStore

FAILED = 1
Command = Callable[[str, Any, str, str], argparse.ArgumentParser]


class Refused(Exception):
    """A command that cannot be done; the text is for people."""


def keys_of(directory: Path, command: str) -> KeyStore:
    """The twin's keys, after their use by this command was noted.

    Raises:
        KeysUnusable: there is no twin.
        OSError: the use cannot be noted.
    """
    keys = KeyStore(directory)
    # Where there is no twin, that is what is to be said.
    keys.box.kind  # noqa: B018
    keyuse.note(directory, command)
    return keys


@contextmanager
def asleep(directory: Path, command: str) -> Iterator[KeyStore]:
    """As `keys_of`, while the twin sleeps.

    Raises:
        TwinLocked: it is awake.
    """
    with serve.locked(directory):
        yield keys_of(directory, command)
