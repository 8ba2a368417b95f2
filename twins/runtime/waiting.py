"""Waiting: what is to happen once records are on disk."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from twins.runtime.metrics import Metrics

logger = logging.getLogger(__name__)


class Durable(Protocol):
    """How far the log is on disk."""

    @property
    def durable(self) -> int: ...


class Waiting:
    """Actions in the order in which they were queued; one that fails stops no other."""

    def __init__(self, log: Durable, metrics: Metrics) -> None:
        self._log = log
        self._metrics = metrics
        self._actions: deque[tuple[int, Callable[[], None]]] = deque()
        self._afterwards: list[Callable[[int], None]] = []
        self._began = 0.0
        self._settled = 0

    def at(self, seq: int, action: Callable[[], None]) -> None:
        """Run the action when record `seq` is on disk, after everything that was to run before."""
        if not self._began:
            self._began = time.perf_counter()
        self._actions.append((seq, action))
        durable = self._log.durable
        self._settled = self._settled or durable
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
            _run(lambda action=action: action(durable))  # type: ignore[misc]

    def _measure(self, durable: int) -> None:
        if self._settled and durable > self._settled:
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
