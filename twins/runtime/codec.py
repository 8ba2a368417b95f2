"""JSON as a twin keeps it: canonical (sorted members, no spaces) and without floats.

A fraction has no exact binary form, so replay on another machine could differ; money and measures are
decimal strings instead.
"""

from __future__ import annotations

from typing import Any, NoReturn

import msgspec

from twins.runtime.problems import Problem

DEEPEST = 100
TOO_DEEP = f"it is nested more than {DEEPEST} levels deep"


def _refuse(number: str) -> NoReturn:
    raise ValueError(f"write {number} as a string: numbers here are whole")


_encoder = msgspec.json.Encoder(order="deterministic")
_exact = msgspec.json.Decoder(float_hook=_refuse)
_lenient = msgspec.json.Decoder(float_hook=str)


def _fit(value: Any, data: bytes) -> Any:
    """The value, unless it is nested too deep for whoever walks through it."""
    if data.count(b"{") + data.count(b"[") <= DEEPEST:
        return value
    level = [value]
    for _ in range(DEEPEST):
        inner = [v for one in level for v in (one.values() if isinstance(one, dict) else one)]
        level = [v for v in inner if isinstance(v, dict | list)]
        if not level:
            return value
    raise ValueError(TOO_DEEP)


def encode(value: object) -> bytes:
    """The canonical JSON of a value."""
    return _encoder.encode(value)


def decode(data: bytes) -> Any:
    """The value of our own canonical JSON."""
    return _exact.decode(data)


def parse(data: bytes) -> Any:
    """The value of JSON that a caller sent.

    Raises:
        Problem: not JSON, too deep, or a number with a fraction.
    """
    try:
        return _fit(_exact.decode(data), data)
    except RecursionError:
        raise Problem(400, "bad-request", f"The body is not usable JSON: {TOO_DEEP}.") from None
    except ValueError as error:
        raise Problem(400, "bad-request", f"The body is not usable JSON: {error}.") from None


def parse_foreign(data: bytes) -> Any:
    """The value of JSON from elsewhere; numbers with a fraction become decimal strings.

    Raises:
        ValueError: not JSON.
    """
    try:
        return _fit(_lenient.decode(data), data)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the document is not JSON: {error}") from None
