"""Public records of organisations for the partners' slices (GLEIF, CC0; see data/PROVENANCE.md)."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec

DATA = Path(__file__).parent / "data" / "organisations.jsonl"


class Organisation(msgspec.Struct, frozen=True, kw_only=True):
    """One legal entity as the LEI register names it; `lei` is its 20 characters of ISO 17442."""

    group: str
    lei: str
    name: str
    city: str
    country: str
    registered_as: str
    status: str


@cache
def organisations() -> tuple[Organisation, ...]:
    """Every organisation of the extract, ordered by group and LEI."""
    return tuple(msgspec.json.decode(line, type=Organisation) for line in DATA.read_bytes().splitlines())
