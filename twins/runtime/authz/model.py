"""Model: an OpenFGA 1.1 authorization model, read from its JSON form."""

from __future__ import annotations

import hashlib
from typing import Any

from twins.runtime import codec
from twins.runtime.ids import ulid_from

Rewrite = dict[str, Any]
CONDITION = "grant_window"
BOUNDS = ("not_before", "expires_at")


class ModelRefused(Exception):
    """The model uses something that a twin does not offer."""


class Model:
    """Types with relations; each relation has one rewrite and the kinds of users it admits directly.

    Args:
        document: `{"schema_version", "type_definitions", "conditions"}` as OpenFGA's API has it.

    Raises:
        ModelRefused: a wildcard, an unknown rewrite or a condition other than `grant_window`.
    """

    def __init__(self, document: dict[str, Any]) -> None:
        self.id = ulid_from(hashlib.sha256(codec.encode(document)).digest())
        self.document = {"id": self.id, **document}
        self._rewrites: dict[tuple[str, str], Rewrite] = {}
        self._admitted: dict[tuple[str, str], frozenset[tuple[str, str]]] = {}
        self.types: set[str] = set()
        if set(document.get("conditions", ())) - {CONDITION}:
            raise ModelRefused(f"the only condition that a twin knows is {CONDITION}")
        for definition in document["type_definitions"]:
            self._add_type(definition)

    def _add_type(self, definition: dict[str, Any]) -> None:
        name = definition["type"]
        self.types.add(name)
        direct = (definition.get("metadata") or {}).get("relations", {})
        for relation, rewrite in (definition.get("relations") or {}).items():
            _refuse_unknown(rewrite)
            self._rewrites[name, relation] = rewrite
            users = direct.get(relation, {}).get("directly_related_user_types", ())
            self._admitted[name, relation] = frozenset(_admission(user) for user in users)

    def rewrite(self, object_type: str, relation: str) -> Rewrite | None:
        """How the relation is computed, or None when the type has no such relation."""
        return self._rewrites.get((object_type, relation))

    def admits(self, object_: str, relation: str, user: str, condition: str) -> bool:
        """Whether a tuple of this shape may exist; `condition` is empty for none."""
        kind, _, userset = user.partition("#")
        kind = type_of(kind) + (f"#{userset}" if userset else "")
        return (kind, condition) in self._admitted.get((type_of(object_), relation), ())


def type_of(object_: str) -> str:
    """The type of `type:id`."""
    return object_.partition(":")[0]


def _admission(user: dict[str, Any]) -> tuple[str, str]:
    if "wildcard" in user:
        raise ModelRefused("a wildcard would open the twin to everybody")
    kind = user["type"] + (f"#{user['relation']}" if user.get("relation") else "")
    return kind, user.get("condition") or ""


def _refuse_unknown(rewrite: Rewrite) -> None:
    (kind, content), *rest = rewrite.items()
    if rest or kind not in (
        "this",
        "computedUserset",
        "tupleToUserset",
        "union",
        "intersection",
        "difference",
    ):
        raise ModelRefused(f"unknown rewrite {sorted(rewrite)}")
    if kind in ("union", "intersection"):
        for child in content["child"]:
            _refuse_unknown(child)
    if kind == "difference":
        _refuse_unknown(content["base"])
        _refuse_unknown(content["subtract"])
