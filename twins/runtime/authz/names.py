"""Names: the texts by which tuples name objects, usersets and everybody of a type.

`type:id` is an object, `type:id#relation` a userset, `type:*` a wildcard. A *kind* is what a model restricts:
`type`, `type#relation` or `type:*`. The rules are those of OpenFGA's `pkg/tuple`.
"""

from __future__ import annotations

import re
import unicodedata

_OBJECT = re.compile(r"[^#: ]+:[^#: ]+")
_USERSET = re.compile(r"[^#: ]+:[^#:* ]+#[^#:* ]+")
_USER_ID = re.compile(r"[^#: ]+")
_RELATION = re.compile(r"[^#:@ ]+")


def type_of(object_: str) -> str:
    """The type of `type:id`; empty without a colon."""
    type_, colon, _ = object_.partition(":")
    return type_ if colon else ""


def split_userset(user: str) -> tuple[str, str]:
    """The object and the relation, which is empty when there is none."""
    object_, mark, relation = user.rpartition("#")
    return (object_, relation) if mark else (user, "")


def kind_of(user: str) -> str:
    """The kind of a user: `type`, `type#relation` or `type:*`."""
    object_, relation = split_userset(user)
    if relation:
        return f"{type_of(object_)}#{relation}"
    return user if user.endswith(":*") else type_of(user)


def has_control(text: str) -> bool:
    """Whether there is a control character in the text."""
    return not text.isprintable() and any(unicodedata.category(one) == "Cc" for one in text)


def is_object(text: str) -> bool:
    return _OBJECT.fullmatch(text) is not None and not has_control(text)


def is_userset(text: str) -> bool:
    return _USERSET.fullmatch(text) is not None and not has_control(text)


def is_user(text: str) -> bool:
    """Whether the text may stand where a user stands; a bare id may, as far as its form goes."""
    formed = is_object(text) or is_userset(text)
    return formed or (_USER_ID.fullmatch(text) is not None and not has_control(text))


def is_relation(text: str) -> bool:
    return _RELATION.fullmatch(text) is not None and not has_control(text)


def is_wildcard(user: str) -> bool:
    return user.endswith(":*") and user.find(":") == len(user) - 2 and len(user) > 2


def key_of(object_: str, relation: str, user: str) -> str:
    """A tuple's key; its condition is not part of it."""
    return f"{object_}#{relation}@{user}"
