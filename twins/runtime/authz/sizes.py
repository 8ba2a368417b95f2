"""Sizes: how long values would be as protobuf messages, by which OpenFGA limits some of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def struct_size(members: Mapping[str, Any]) -> int:
    """The length of a `google.protobuf.Struct`."""
    return sum(
        _field(_field(len(name.encode())) + _field(_value(member))) for name, member in members.items()
    )


MAPS = ("relations", "conditions", "parameters")


def message_size(value: Any) -> int:
    """About the length of a message that its JSON form shows: texts, and the frames around them."""
    if isinstance(value, str):
        return _field(len(value.encode())) if value else 0
    if isinstance(value, Mapping):
        return sum(_member_size(name, member) for name, member in value.items() if member is not None)
    if isinstance(value, list):
        return sum(_field(message_size(member)) for member in value)
    return 2 if value else 0


def _member_size(name: str, member: Any) -> int:
    if name in MAPS:
        pairs = ((len(key.encode()), message_size(one)) for key, one in member.items())
        return sum(_field(_field(key) + _field(one)) for key, one in pairs)
    if isinstance(member, list):
        return message_size(member)
    return message_size(member) if isinstance(member, str | bool | int) else _field(message_size(member))


def _value(value: Any) -> int:
    if isinstance(value, bool) or value is None:
        return 2
    if isinstance(value, int | float):
        return 9
    if isinstance(value, str):
        return _field(len(value.encode()))
    if isinstance(value, Mapping):
        return _field(struct_size(value))
    return _field(sum(_field(_value(member)) for member in value))


def _field(length: int) -> int:
    """A field with a length: its tag, the length and the content."""
    return 1 + max(1, (length.bit_length() + 6) // 7) + length
