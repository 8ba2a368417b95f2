"""Time: RFC 3339 in UTC with milliseconds and `Z`."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from twins.runtime.problems import invalid

_MILLISECONDS = tuple(f".{count:03}Z" for count in range(1000))


class _Second:
    """The text of the second that it is; asked far more often than once in a second."""

    number = -1
    text = ""


def now() -> str:
    """This instant."""
    milliseconds = time.time_ns() // 1_000_000
    second, rest = divmod(milliseconds, 1000)
    if second != _Second.number:
        _Second.number = second
        _Second.text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
    return _Second.text + _MILLISECONDS[rest]


def write(instant: datetime) -> str:
    """The instant as text; the texts of two instants sort as the instants do."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse(text: str, name: str = "time") -> datetime:
    """The instant that the text names.

    Raises:
        Problem: the text is not RFC 3339 with a zone; the detail names `name`.
    """
    try:
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is None:
            raise ValueError
        return instant.astimezone(UTC)
    except (ValueError, OverflowError):
        message = f"`{name}` must be a time such as 2030-01-31T12:00:00Z, not {text[:40]!r}."
        raise invalid(message) from None


def seconds_until(text: str) -> float:
    """Seconds from now to the instant; negative when it has passed."""
    return (parse(text) - datetime.now(UTC)).total_seconds()


def after(seconds: float) -> str:
    """The instant that many seconds from now."""
    return write(datetime.now(UTC) + timedelta(seconds=seconds))
