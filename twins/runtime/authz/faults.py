"""Faults: what is wrong with the fields of a request, in the words of OpenFGA's generated validators.

The error code depends on the first field that is wrong and on why (`getCustomizedErrorCode` in OpenFGA's
`encoded_errors.go`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from twins.runtime.authz.errors import Refused

Fault = tuple[str, str, str]
NAME = r"^[^:#@\s]{1,50}$"
TYPE = r"^[^:#@\s]{1,254}$"
OBJECT = r"^[^\s]{2,256}$"
USER = r"^[^\s]{2,512}$"
ULID = r"^[ABCDEFGHJKMNPQRSTVWXYZ0-9]{26}$"
STORE_NAME = r"^[a-zA-Z0-9\s\.\-\/^_&@]{3,64}$"
GOING_ON = r"^$|^[A-Za-z0-9-_]+={0,2}$"
LONGEST_TOKEN = 5120
REQUIRED = "value is required"
_PATTERN, _AT_MOST = "value does not match regex pattern", "value length must be at most"
_CODES = (
    ("Assertions", "value must contain no more than", "assertions_too_many_items"),
    ("Base", REQUIRED, "difference_base_missing_value"),
    ("Object", _AT_MOST, "object_too_long"),
    ("PageSize", "value must be inside range", "page_size_invalid"),
    ("Relation", _AT_MOST, "relation_too_long"),
    ("Subtract", REQUIRED, "subtract_base_missing_value"),
    ("TupleKey", REQUIRED, "tuple_key_value_not_specified"),
    ("Type", "value length must be at", "type_invalid_length"),
    ("Type", _PATTERN, "type_invalid_pattern"),
    ("TypeDefinitions", "value must contain at least", "type_definitions_too_few_items"),
)


@lru_cache(maxsize=64)
def _matcher(pattern: str) -> re.Pattern[str]:
    # Go's `$` is the very end of a text, and its `\s` knows ASCII only.
    return re.compile(pattern.replace("$", r"\Z"), re.ASCII)


def unfit(message: str, field: str, value: str, pattern: str) -> Iterator[Fault]:
    """A fault when the text does not have the pattern."""
    if _matcher(pattern).search(value) is None:
        shown = pattern.replace("\\", "\\\\")
        yield message, field, f'{_PATTERN} "{shown}"'


def longer(message: str, field: str, value: str, most: int) -> Iterator[Fault]:
    """A fault when the text has more bytes."""
    if len(value.encode()) > most:
        yield message, field, f"{_AT_MOST} {most} bytes"


def missing(message: str, field: str, value: object) -> Iterator[Fault]:
    """A fault when there is no value."""
    if value is None:
        yield message, field, REQUIRED


def many(message: str, field: str, items: Sequence[object] | None, most: int) -> Iterator[Fault]:
    """A fault when there are more."""
    if len(items or ()) > most:
        yield message, field, f"value must contain no more than {most} item(s)"


def model_faults(message: str, id_: str | None) -> Iterator[Fault]:
    """A fault when a model is named by something that is no ULID."""
    if id_:
        yield from unfit(message, "AuthorizationModelId", id_, ULID)


def page_faults(message: str, size: int | None, token: str | None) -> Iterator[Fault]:
    """The faults of a page's size and token."""
    if size is not None and not 1 <= size <= 100:
        yield message, "PageSize", "value must be inside range [1, 100]"
    yield from longer(message, "ContinuationToken", token or "", LONGEST_TOKEN)
    yield from unfit(message, "ContinuationToken", token or "", GOING_ON)


def refuse(faults: Iterable[Fault]) -> None:
    """Return when there are none.

    Raises:
        Refused: with the code of the first.
    """
    found = list(faults)
    if found:
        told = "; ".join(f"invalid {message}.{field}: {reason}" for message, field, reason in found)
        raise Refused(_code(found[0]), told)


def _code(fault: Fault) -> str:
    _, field, reason = fault
    if field.startswith("Relations[") and "." not in field and reason.startswith(_PATTERN):
        return "relations_invalid_pattern"
    for name, beginning, code in _CODES:
        if field == name and reason.startswith(beginning):
            return code
    return "validation_error"
