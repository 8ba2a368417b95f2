"""Kind: what every kind of sense offers to the runner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

SENSES = "sense"
Supplied = dict[str, list[dict[str, Any]]]


class SenseFailed(Exception):
    """A run, or a set-up, that cannot work; the text is one plain sentence."""


class Kind(Protocol):
    """A kind of sense."""

    @property
    def runs(self) -> bool:
        """Whether there is anything to run."""

    def check(self, url: str, target: Mapping[str, str]) -> None:
        """Return when the kind can work with these; raises SenseFailed."""

    def run(self, url: str, target: Mapping[str, str], allow: Sequence[str]) -> Supplied:
        """The objects `{"id", "body"}` of each slice of the target; blocking; raises SenseFailed."""
