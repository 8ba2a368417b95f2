"""Waiting: what is to happen once records are on disk."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Protocol

from twins.runtime.metrics import Metrics
from twins.runtime.problems import Problem

logger = logging.getLogger(__name__)
Lost = Callable[[Problem], None]


class Durable(Protocol):
    """How far the log is on disk."""

    @property
    def durable(self) -> int: ...


class Waiting:
    """Actions in the order in which they were queued; one that fails stops no other."""

    def __init__(self, log: Durable, metrics: Metrics) -> None:
        self._log = log
        self._metrics = metrics
        self._actions: deque[tuple[int, Callable[[], None], Lost | None]] = deque()
        self._afterwards: list[Callable[[int], None]] = []
        self._began = 0.0
        self._settled = log.durable

    def at(self, seq: int, action: Callable[[], None], lost: Lost | None = None) -> None:
        """Run the action when record `seq` is on disk, after everything that was to run before; `lost` gets
        the problem for which it never will be.
        """
        if not self._began:
            self._began = time.perf_counter()
        self._actions.append((seq, action, lost))
        durable = self._log.durable
        if self._actions[0][0] <= durable:
            self.advance(durable)

    def afterwards(self, action: Callable[[int], None]) -> None:
        """Run the action, with the last seq on disk, when all that waited for the present batch has run."""
        self._afterwards.append(action)

    def advance(self, durable: int) -> None:
        """Run what waited for records up to `durable`."""
        self._measure(durable)
        actions = self._actions
        while actions and actions[0][0] <= durable:
            _run(actions.popleft()[1])
        afterwards, self._afterwards = self._afterwards, []
        for action in afterwards:
            _run(partial(action, durable))

    def abandon(self, problem: Problem) -> None:
        """The log takes no more records: nothing that waits will happen."""
        actions, self._actions = self._actions, deque()
        for _, _, lost in actions:
            if lost is not None:
                _run(partial(lost, problem))
        self.advance(self._log.durable)

    def _measure(self, durable: int) -> None:
        if durable > self._settled:
            self._metrics.batches.observe(durable - self._settled)
            if self._began:
                self._metrics.seconds.observe(time.perf_counter() - self._began)
        self._began = 0.0
        self._settled = max(durable, self._settled)


def _run(action: Callable[[], None]) -> None:
    try:
        action()
    except Exception:
        logger.exception("something that waited for a record failed")
