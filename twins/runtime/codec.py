"""JSON as a twin keeps it: canonical (sorted members, no spaces) and without floats.

A fraction has no exact binary form, so replay on another machine could differ; money and measures are
decimal strings instead.
"""

from __future__ import annotations

from typing import Any, NoReturn

import msgspec

from twins.runtime.problems import Problem


def _refuse(number: str) -> NoReturn:
    raise ValueError(f"write {number} as a string: numbers here are whole")


_encoder = msgspec.json.Encoder(order="deterministic")
_exact = msgspec.json.Decoder(float_hook=_refuse)
_lenient = msgspec.json.Decoder(float_hook=str)


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
        return _exact.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Problem(400, "bad-request", f"The body is not usable JSON: {error}.") from None


def parse_foreign(data: bytes) -> Any:
    """The value of JSON from elsewhere; numbers with a fraction become decimal strings.

    Raises:
        ValueError: not JSON.
    """
    try:
        return _lenient.decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"the document is not JSON: {error}") from None
