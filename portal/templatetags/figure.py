"""The lines of the three-part figure: many senses in, one twin, many readers out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django import template
from django.utils import timezone

register = template.Library()

# in sixteenths of a rem, as the style sheet lays out a strand, a rail's head and the column of lines
ROW, HEAD, WIDTH, MEET = 96, 40, 96, 150
# strands that are drawn one by one; the rest is a sentence below them
MOST = 6


@register.inclusion_tag("_hyphae.html")
def hyphae(side: str, items: Sequence[Mapping[str, Any]] | None) -> dict[str, object]:
    """Draw one side of the figure: `side` is `in` or `out`, one line for each item."""
    shown = list(items or [])[:MOST]
    count = max(len(shown), 1)
    height = HEAD + ROW * count
    meet = min(HEAD + ROW * count // 2, MEET)
    lines = []
    for row in range(count):
        y = HEAD + ROW * row + ROW // 2
        lines.append(
            {"path": _path(side, y, meet), "y": y, "kind": _kind(side, shown[row] if shown else None)}
        )
    return {"side": side, "lines": lines, "height": height, "rem": height / 16, "empty": not shown}


@register.filter
def drawn(items: Sequence[Any] | None) -> list[Any]:
    """Give the items that get a strand of their own."""
    return list(items or [])[:MOST]


@register.filter
def folded(items: Sequence[Any] | None) -> int:
    """Count the items beyond those that are drawn."""
    return max(len(items or []) - MOST, 0)


def _path(side: str, y: int, meet: int) -> str:
    if side == "in":
        return f"M8 {y}C60 {y} 40 {meet} {WIDTH} {meet}"
    return f"M0 {meet}C56 {meet} 36 {y} 86 {y}"


def _kind(side: str, item: Mapping[str, Any] | None) -> str:
    """Say how alive a line is: a sense that ran lately is busy, one that did not run for a day is quiet."""
    if item is None:
        return "quiet"
    if side == "out":
        return "steady"
    last = item.get("last_run")
    if not isinstance(last, datetime):
        return "quiet"
    age = timezone.now() - last
    return "busy" if age < timedelta(minutes=15) else "quiet" if age > timedelta(days=1) else "steady"
