"""Sheet: the raw figures of one group, their medians, and what they are compared with."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import NamedTuple


class Goal(NamedTuple):
    """A ratio of two rows' medians, or one row's median when `peer` is empty, and its bound."""

    row: str
    peer: str
    at_least: float | None = None
    at_most: float | None = None

    def line(self, sheet: Sheet) -> str:
        """The goal with what was measured; `-` where a peer is not on this machine."""
        value = sheet.median(self.row)
        beside = sheet.median(self.peer) if self.peer else 1.0
        if value is None or not beside:
            return f"  -        {self._text()}: not measured here"
        measured = value / beside
        missed = (self.at_least is not None and measured < self.at_least) or (
            self.at_most is not None and measured > self.at_most
        )
        return f"  {'MISSED' if missed else 'ok':8} {self._text()}: {measured:,.2f}{'x' if self.peer else ''}"

    def _text(self) -> str:
        bound = f"at least {self.at_least:g}" if self.at_least is not None else f"at most {self.at_most:g}"
        return f"{self.row}, {bound}x {self.peer}" if self.peer else f"{self.row}, {bound}"


class Sheet:
    """Figures by row name, in the order of their first appearance."""

    def __init__(self, title: str) -> None:
        self.title = title
        self._rows: dict[str, tuple[str, list[float]]] = {}

    def add(self, row: str, unit: str, value: float) -> None:
        """One more figure of a row."""
        self._rows.setdefault(row, (unit, []))[1].append(value)

    def median(self, row: str) -> float | None:
        """The row's median, or None when it has no figure."""
        found = self._rows.get(row)
        return statistics.median(found[1]) if found else None

    def lines(self) -> Iterator[str]:
        """The table: median, unit, and every figure behind it."""
        width = max((len(name) for name in self._rows), default=0)
        yield f"## {self.title}"
        for name, (unit, values) in self._rows.items():
            raw = " ".join(_short(value) for value in values)
            yield f"{name:{width}}  {_short(statistics.median(values)):>10} {unit:9} | {raw}"


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
