"""Decisions: the engine's answers, kept for exactly as long as they stay true.

An answer depends on the tuples and, through windows, on the time. It is forgotten when any tuple changes and
not used outside the instants for which it holds, so asking again on every delivery costs one look-up.
"""

from __future__ import annotations

from collections.abc import Sequence

from twins.runtime.authz.engine import CheckFailed, Decision, Engine, Given
from twins.runtime.state import Change

MOST = 10_000
Question = tuple[str, str, str, tuple[Given, ...]]


class Decisions:
    """What one twin's engine answered."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: dict[Question, Decision] = {}

    def observe(self, _changes: Sequence[Change]) -> None:
        """Forget what a change of tuples may have made untrue."""
        self._known.clear()

    def allowed(
        self, object_: str, relation: str, user: str, now: float, given: tuple[Given, ...] = ()
    ) -> bool:
        """As `Engine.check`, but a check without an answer counts as no."""
        question = (object_, relation, user, given)
        known = self._known.get(question)
        if known is None or not known.since <= now < known.until:
            try:
                known = self._engine.decide(object_, relation, user, now, given)
            except CheckFailed:
                return False
            if len(self._known) >= MOST:
                self._known.clear()
            self._known[question] = known
        return known.allowed
