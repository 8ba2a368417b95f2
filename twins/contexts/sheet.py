"""Objects of a slice as a table."""

from __future__ import annotations

import json
import re
from typing import Any

MOST_COLUMNS = 6
TELLING = ("name", "title", "product", "subject")
LONGEST_CELL = 120


def columns(objects: list[dict[str, Any]], most: int | None = MOST_COLUMNS) -> list[str]:
    """The fields that most objects have, those that name the object first."""
    counts: dict[str, int] = {}
    for row in objects:
        for field in row["body"]:
            if field != "id":
                counts[field] = counts.get(field, 0) + 1
    frequent = sorted(counts, key=lambda field: -counts[field])[:most]
    kept = [field for field in counts if field in frequent]
    return sorted(kept, key=lambda field: field not in TELLING)


def table(objects: list[dict[str, Any]], most: int | None = MOST_COLUMNS) -> dict[str, Any]:
    """``columns`` and ``rows`` for a template; ``most`` None is every field that there is."""
    names = columns(objects, most)
    return {"columns": names, "rows": [row(found, names) for found in objects]}


def row(found: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """One object as cells; ``key`` is its id made fit for an HTML id."""
    cells = [cell(found["body"].get(name)) for name in names]
    return {"id": found["id"], "key": key(found["id"]), "cells": cells, "seq": found["seq"]}


def key(object_id: str) -> str:
    """An HTML id for an object: distinct ids stay distinct."""
    return re.sub(r"[^A-Za-z0-9-]", lambda hit: f"_{ord(hit.group()):x}_", object_id)


def cell(value: Any) -> str:
    """A value on one line."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST_CELL else f"{text[: LONGEST_CELL - 1]}…"
