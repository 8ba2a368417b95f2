"""Opening: how a command gets at a twin's keys, and how it keeps the twin's own process out meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from twins.runtime import keyuse, serve
from twins.runtime.keys import KeyStore


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
