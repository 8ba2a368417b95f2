"""Orders: how values of one kind compare; a value of another kind has no place in the order."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

OrderName = Literal["text", "number", "decimal", "time"]
Key = str | int | Decimal
_DECIMAL = re.compile(r"-?[0-9]{1,60}(\.[0-9]{1,60})?", re.ASCII)
_UTC = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?Z", re.ASCII)


def text(value: Any) -> str | None:
    """Text by code points."""
    return value if type(value) is str else None


def number(value: Any) -> int | None:
    """Whole numbers."""
    return value if type(value) is int else None


def decimal(value: Any) -> Decimal | None:
    """Decimal strings such as `-12.50`, without exponent, and whole numbers; by value."""
    if type(value) is int or (type(value) is str and _DECIMAL.fullmatch(value)):
        return Decimal(value)
    return None


def time(value: Any) -> str | None:
    """RFC 3339 times with a zone, as their UTC form without `Z`, so that fractions sort after none."""
    if type(value) is not str:
        return None
    if _UTC.fullmatch(value) is None:
        try:
            instant = datetime.fromisoformat(value)
            if instant.tzinfo is None:
                return None
            value = instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
        except (ValueError, OverflowError):
            return None
    plain: str = value[:-1]
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


ORDERS: dict[str, Callable[[Any], Key | None]] = {
    "text": text,
    "number": number,
    "decimal": decimal,
    "time": time,
}
