"""Quarters of a year, for filtering an audit."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from django.utils import timezone


def span(text: str) -> tuple[str, str] | None:
    """``2026-Q4`` as its first instant and the first one after it, RFC 3339; None for anything else."""
    hit = re.fullmatch(r"(\d{4})-Q([1-4])", text)
    if not hit or not 1 <= int(hit[1]) <= 9998:
        return None
    year, quarter = int(hit[1]), int(hit[2])
    first = datetime(year, 3 * quarter - 2, 1, tzinfo=UTC)
    after = datetime(year + quarter // 4, 3 * (quarter % 4) + 1, 1, tzinfo=UTC)
    return _rfc3339(first), _rfc3339(after)


def recent(since: datetime) -> list[str]:
    """The quarters from now back to the one that holds ``since``, at most twelve."""
    now = timezone.now()
    year, quarter = now.year, (now.month + 2) // 3
    found: list[str] = []
    while len(found) < 12 and (year, quarter) >= (since.year, (since.month + 2) // 3):
        found.append(f"{year}-Q{quarter}")
        year, quarter = (year, quarter - 1) if quarter > 1 else (year - 1, 4)
    return found


def _rfc3339(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
