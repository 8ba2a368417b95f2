"""Dispatch: which of many filters a commit concerns; nothing is asked for rights, encoded or sent."""

from __future__ import annotations

import time
from itertools import pairwise

from twins.runtime import codec, query
from twins.runtime.bench import BODY, SLICE
from twins.runtime.callers import SENSE
from twins.runtime.feeds import Feed, Feeds, View
from twins.runtime.outbox import Message, Subscription, Wish
from twins.runtime.query.declaration import Declaration
from twins.runtime.slices import table_of
from twins.runtime.state import Change

FILTERS, COMMITS = 10_000, 5_000


class _Nobody:
    """A connection that nothing is sent to."""

    caller = SENSE
    full = False

    def __init__(self) -> None:
        self.subscriptions: dict[str, Subscription] = {}

    def send(self, message: Message) -> None:
        raise RuntimeError("dispatch sends nothing")

    def close(self, code: int, reason: str) -> None:
        raise RuntimeError("dispatch closes nothing")


def microseconds() -> float:
    """What it costs to find the filters that a commit concerns, each of which moves one object from one
    filter to the next.
    """
    feeds, declaration = Feeds(), Declaration(SLICE)
    for number in range(FILTERS):
        where = query.compile({"state": f"key-{number}"}, declaration)
        feed = Feed(SLICE, View(where, None, None), where.equality)
        feeds.join(Subscription(Wish("s", SLICE, where.text), _Nobody()), (SLICE, where.text), feed)
    rows = [codec.encode({"body": {**BODY, "state": f"key-{n}"}, "seq": n}) for n in range(COMMITS + 1)]
    moves = pairwise(rows)
    commits = [[Change(table_of(SLICE), "object-1", before, after)] for before, after in moves]
    started, found = time.perf_counter(), 0
    for changes in commits:
        found += len(feeds.touched(SLICE, changes))
    passed = time.perf_counter() - started
    if found != 2 * COMMITS:
        raise RuntimeError(f"{found} filters were found, expected {2 * COMMITS}")
    return 1e6 * passed / COMMITS
