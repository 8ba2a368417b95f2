"""Parameters: a condition's declared types, and the values of a context cast to them.

What is taken follows OpenFGA's `internal/condition/types`: numbers of JSON are doubles (protobuf's `Struct`),
times are Go's RFC 3339 and durations Go's `ParseDuration`. Times and durations are whole nanoseconds.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple

Cast = Callable[[Any], Any]
MOST_INT = 2**63 - 1
_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d?):(\d\d):(\d\d)(?:[.,](\d+))?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII
)
_DURATION = re.compile(r"([+-]?)(0|(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)", re.ASCII)
_PART = re.compile(r"(\d*\.?\d*)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_UNITS = {
    "ns": 1,
    "us": 1000,
    "µs": 1000,
    "μs": 1000,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)


class Parameter(NamedTuple):
    """A declared type; `item` is the type of a list's or map's members."""

    name: str
    cast: Cast
    item: Parameter | None = None


@lru_cache(maxsize=4096)
def instant(text: str) -> int:
    """Nanoseconds since 1970.

    Raises:
        ValueError: not RFC 3339 as Go reads it.
    """
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError(f"expected RFC 3339 formatted timestamp string, but found '{text}'")
    year, month, day, hour, minute, second = map(int, found.groups()[:6])
    fraction, sign, hours, minutes = found.groups()[6:]
    if int(hours or 0) > 24 or int(minutes or 0) > 59:
        raise ValueError(f"expected RFC 3339 formatted timestamp string, but found '{text}'")
    offset = (int(hours or 0) * 60 + int(minutes or 0)) * (-60 if sign == "-" else 60)
    try:
        whole = datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()
    except ValueError:
        raise ValueError(f"expected RFC 3339 formatted timestamp string, but found '{text}'") from None
    return (int(whole) - offset) * 10**9 + int(((fraction or "") + "0" * 9)[:9])


def duration(text: str) -> int:
    """Nanoseconds.

    Raises:
        ValueError: not a duration as Go reads it.
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(f"expected a valid duration string, but found: '{text}'")
    total = sum(int(Decimal(number) * _UNITS[unit]) for number, unit in _PART.findall(found[2]))
    if total > MOST_INT:
        raise ValueError(f"expected a valid duration string, but found: '{text}'")
    return -total if found[1] == "-" else total


def address(text: str) -> str:
    """An IP address in its one form; an IPv4 address within IPv6 is the IPv4 address.

    Raises:
        ValueError: not an address.
    """
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        raise ValueError(f"expected a well-formed IP address, but found: '{text}'") from None
    inner = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(inner or found)


def plain(value: Any) -> Any:
    """A value of JSON as protobuf's `Struct` has it: every number is a double."""
    if isinstance(value, dict):
        return {name: plain(member) for name, member in value.items()}
    if isinstance(value, list):
        return [plain(member) for member in value]
    return float(value) if type(value) is int else value


def _of(type_: type, name: str) -> Cast:
    def cast(value: Any) -> Any:
        if type(value) is not type_:
            raise ValueError(f"expected type value '{name}', but found '{type(value).__name__}'")
        return value

    return cast


def _text(read: Callable[[str], Any], what: str) -> Cast:
    def cast(value: Any) -> Any:
        if not isinstance(value, str):
            raise ValueError(f"expected {what}, but found: '{value}'")
        return read(value)

    return cast


def _number(value: Any, name: str) -> Fraction:
    if type(value) in (int, float):
        return Fraction(float(value))
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return Fraction(Decimal(value))
    raise ValueError(f"expected a {name} value, but found '{value}'")


def _int(value: Any) -> int:
    number = _number(value, "int")
    if number.denominator != 1:
        raise ValueError(f"expected an int value, but found numeric value '{value}'")
    return max(-MOST_INT - 1, min(int(number), MOST_INT))


def _uint(value: Any) -> int:
    number = _int(value)
    if number < 0:
        raise ValueError(f"expected a uint value, but found int64 value '{value}'")
    return number


def _double(value: Any) -> float:
    number = _number(value, "double")
    try:
        nearest = float(number)
    except OverflowError:
        nearest = 0.0
    if Fraction(nearest) != number:
        raise ValueError(f"number cannot be represented as a float64: {value}")
    return nearest


_SIMPLE: dict[str, Cast] = {
    "ANY": plain,
    "BOOL": _of(bool, "bool"),
    "STRING": _of(str, "string"),
    "INT": _int,
    "UINT": _uint,
    "DOUBLE": _double,
    "DURATION": _text(duration, "a duration string"),
    "TIMESTAMP": _text(instant, "RFC 3339 formatted timestamp string"),
    "IPADDRESS": _text(address, "an ipaddress string"),
}


def _list_of(item: Cast) -> Cast:
    def cast(value: Any) -> Any:
        if not isinstance(value, list):
            raise ValueError(f"list requires a list, found: {type(value).__name__}")
        return [item(member) for member in value]

    return cast


def _map_of(item: Cast) -> Cast:
    def cast(value: Any) -> Any:
        if not isinstance(value, dict):
            raise ValueError(f"map requires a map, found: {type(value).__name__}")
        return {name: item(member) for name, member in value.items()}

    return cast


def parameter(reference: Mapping[str, Any]) -> Parameter:
    """The type that a model declares as `{"type_name", "generic_types"}`.

    Raises:
        ValueError: there is no such type, or it has another number of generic types.
    """
    full = reference.get("type_name") or "TYPE_NAME_UNSPECIFIED"
    name = full.removeprefix("TYPE_NAME_")
    generic = reference.get("generic_types") or []
    if name not in _SIMPLE and name not in ("LIST", "MAP"):
        raise ValueError(f"unknown condition parameter type `{full}`")
    wanted = 0 if name in _SIMPLE else 1
    if len(generic) != wanted:
        raise ValueError(
            f"condition parameter type `{full}` requires {wanted} generic types; found {len(generic)}"
        )
    if name in _SIMPLE:
        return Parameter(name, _SIMPLE[name])
    item = parameter(generic[0])
    return Parameter(name, (_list_of if name == "LIST" else _map_of)(item.cast), item)
