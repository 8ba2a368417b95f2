"""Windows: looks again at a subscription at the instant at which its grant's window ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from twins.runtime import clock
from twins.runtime.granted import Granted
from twins.runtime.outbox import Subscription

LONGEST_WAIT, SHORTEST_WAIT = 3600.0, 0.001


class Windows:
    """One timer for each subscription of a reader; `holds` ends those whose right has ended.

    It needs no record that says so, and none may come: the log may be damaged.
    """

    def __init__(self, granted: Granted, holds: Callable[[Subscription], bool]) -> None:
        self._granted = granted
        self._holds = holds

    def watch(self, subscription: Subscription) -> None:
        """Look when the present grant ends, in place of any earlier plan."""
        self.forget(subscription)
        caller, slice_ = subscription.connection.caller, subscription.wish.slice
        grant = self._granted.live(caller.id, slice_) if caller.is_twin else None
        if grant is not None:
            # A long wait is cut up because the wall clock may be set meanwhile.
            wait = min(max(clock.seconds_until(grant.end), SHORTEST_WAIT), LONGEST_WAIT)
            subscription.timer = asyncio.get_running_loop().call_later(wait, self._look, subscription)

    def forget(self, subscription: Subscription) -> None:
        if subscription.timer is not None:
            subscription.timer.cancel()
            subscription.timer = None

    def _look(self, subscription: Subscription) -> None:
        if self._holds(subscription):
            self.watch(subscription)
