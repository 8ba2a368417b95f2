"""Declaration: what a slice's row in the table `slice` says of its objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Literal, Protocol

import msgspec
from msgspec import Meta

from twins.runtime.query import paths
from twins.runtime.query.orders import OrderName
from twins.runtime.rights import SLICES
from twins.runtime.schema import Schema

MOST_INDEXES = 16
# What one query may look at, and a new schema may be compared with: longer, and other callers would wait.
WIDEST = 100_000
IndexType = Literal["equality", "range", "text"]


class Index(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A member by which objects are found; `order` says how the values of a range compare."""

    path: Annotated[str, Meta(pattern=paths.PATTERN, max_length=paths.LONGEST)]
    type: IndexType
    order: OrderName = "text"


class _Row(msgspec.Struct):
    name: str = ""
    indexes: tuple[Index, ...] = ()
    schema: dict[str, Any] | None = None
    budget: int = WIDEST


class Rows(Protocol):
    """Where rows are read: a state, or a transaction."""

    def raw(self, table: str, key: str) -> bytes | None: ...


@dataclass(frozen=True, eq=False)
class Declaration:
    """A slice's schema and indexes, and how many objects one query may look at."""

    name: str
    indexes: tuple[Index, ...] = ()
    schema: Schema | None = None
    budget: int = WIDEST

    def has(self, path: str, type_: IndexType) -> bool:
        """Whether there is such an index."""
        return any((one.path, one.type) == (path, type_) for one in self.indexes)

    def order_of(self, path: str) -> OrderName | None:
        """How the values of a path compare, if it has a range index."""
        return next((one.order for one in self.indexes if one.path == path and one.type == "range"), None)

    def check(self, id_: str, body: Mapping[str, Any]) -> None:
        """Return when the body fits the schema.

        Raises:
            Problem: 422, naming what does not fit.
        """
        if self.schema is not None:
            self.schema.check(id_, body)


def declaration_of(rows: Rows, slice_: str) -> Declaration:
    """The slice's declaration, compiled once; a bare one for a slice without a row."""
    return _read(rows.raw(SLICES, slice_) or b"{}")


@lru_cache(maxsize=512)
def _read(row: bytes) -> Declaration:
    read = msgspec.json.decode(row, type=_Row)
    schema = None if read.schema is None else Schema(read.schema)
    return Declaration(read.name, read.indexes, schema, read.budget)


@lru_cache(maxsize=512)
def limited(declaration: Declaration, names: frozenset[str]) -> Declaration:
    """The declaration without the indexes of members that are not named."""
    kept = tuple(one for one in declaration.indexes if one.path.partition(".")[0] in names)
    return Declaration(declaration.name, kept, None, declaration.budget)
