"""The reducers by which every kind of twin records that its keys were opened; they change no row."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from twins.runtime.callers import VAULT
from twins.runtime.module import Context, reducer

Word = Annotated[str, Meta(max_length=200)]


@reducer(only=VAULT.id)
def unlocked(ctx: Context, vault: Word) -> None:
    """The runtime opened the twin's keys to serve it."""


@reducer(only=VAULT.id)
def used_key(ctx: Context, who: Word, command: Word, at: Word) -> None:
    """Somebody on the twin's machine opened its keys with a command, at that instant."""


REDUCERS = {one.name: one for one in (unlocked, used_key)}
