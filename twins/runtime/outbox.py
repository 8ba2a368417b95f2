"""Outbox: one subscription and what it has not been sent yet."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from twins.runtime import codec
from twins.runtime.callers import Caller
from twins.runtime.feeds import Entry, tx_tail
from twins.runtime.sight import Key

if TYPE_CHECKING:
    from twins.runtime.feeds import Feed

MOST_HELD, MOST_HELD_BYTES = 10_000, 4 * 1024 * 1024
UNLIMITED = -1


class Message(NamedTuple):
    """One message as JSON, with its type and the record that it is about."""

    kind: str
    seq: int
    frame: bytes


# Comes between messages where others may have their turn, and is not sent.
PAUSE = Message("pause", 0, b"")


class Connection(Protocol):
    """Where messages go; `close` ends it, and nothing of what waits here is sent any more.

    `full` while the peer reads slower than is written.
    """

    caller: Caller
    subscriptions: dict[str, Subscription]

    @property
    def full(self) -> bool: ...

    def send(self, message: Message) -> None: ...

    def close(self, code: int, reason: str) -> None: ...


class Wish(NamedTuple):
    """What a subscriber asks for; `where` are conditions as JSON, `since` and `epoch` are where its own copy
    stands.
    """

    id: str
    slice: str
    where: str = ""
    fields: tuple[str, ...] | None = None
    since: int | None = None
    epoch: int | None = None
    credits: int = UNLIMITED


class Subscription:
    """One connection's interest in one slice, from the record `since` on.

    Attributes:
        first: the messages before the first commit, while they are being sent.
        credits: how many messages may still be sent, or -1 for any number.
        paused: it goes on by itself, in a later turn of the loop.
        lost: more was held than is kept, so the reader must start anew.
        sight: what the reader sees, for as long as it is so.
        grant_id: by which grant.
        timer: looks again at the right when its window ends.
        messages, bytes: how much was sent.
    """

    __slots__ = (
        "_bytes",
        "_held",
        "_seq",
        "bytes",
        "connection",
        "credits",
        "feed",
        "first",
        "grant_id",
        "key",
        "lost",
        "messages",
        "paused",
        "prefix",
        "sight",
        "since",
        "timer",
        "wish",
    )

    def __init__(self, wish: Wish, connection: Connection) -> None:
        self.wish = wish
        self.connection = connection
        self.credits = wish.credits
        self.prefix = b'{"type":"tx","id":' + codec.encode(wish.id)
        self.since = 0
        self.first: Iterator[Message] | None = None
        self.paused = False
        self.lost = False
        self.key: tuple[Any, ...] = ()
        self.feed: Feed | None = None
        self.sight: Key = (None, "")
        self.grant_id: str | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.messages = self.bytes = 0
        self._held: dict[str, Entry] = {}
        self._bytes = 0
        self._seq = 0

    @property
    def is_ready(self) -> bool:
        """Whether a commit can be sent as it is."""
        behind = self.first is not None or self._held or self.lost
        return not behind and self.credits != 0 and not self.connection.full

    def send(self, message: Message) -> None:
        if self.credits > 0:
            self.credits -= 1
        self.messages += 1
        self.bytes += len(message.frame)
        self.connection.send(message)

    def hold(self, seq: int, entries: Iterable[Entry]) -> None:
        """Keep the latest value of each object for later."""
        if self.lost:
            return
        held = self._held
        for entry in entries:
            earlier = held.get(entry.id)
            if earlier is not None:
                self._bytes -= len(earlier.after or b"")
                entry = entry._replace(before=earlier.before)  # noqa: PLW2901 - as one change
            held[entry.id] = entry
            self._bytes += len(entry.after or b"")
        self._seq = seq
        if len(held) > MOST_HELD or self._bytes > MOST_HELD_BYTES:
            self.lost = True
            self._forget()

    def _forget(self) -> None:
        self._held = {}
        self._bytes = 0

    def restart(self, since: int) -> None:
        """Begin anew from a record on."""
        self.since, self.lost = since, False
        self._forget()

    def take(self) -> Message | None:
        """The next message that waits, or a pause, if there is one."""
        if self.first is not None:
            following = next(self.first, None)
            if following is not None:
                return following
            self.first = None
        net = [entry for entry in self._held.values() if entry.before or entry.after is not None]
        self._forget()
        if not net:
            return None
        return Message("tx", self._seq, self.prefix + tx_tail(self._seq, net, coalesced=True))
