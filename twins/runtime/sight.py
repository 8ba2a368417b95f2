"""Sight: what one caller sees of one slice now, by the grant's terms and by what the module shows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from twins.runtime import codec, query
from twins.runtime.callers import Caller
from twins.runtime.granted import Grant
from twins.runtime.problems import Problem
from twins.runtime.query.declaration import Declaration, declaration_of, limited
from twins.runtime.query.filter import Filter
from twins.runtime.rights import Rights
from twins.runtime.slices import Sees, object_of, row_json
from twins.runtime.state import State

Key = tuple[frozenset[str] | None, str]
Visible = Any


@dataclass(frozen=True)
class Sight:
    """A way to look at a slice.

    Attributes:
        grant: the grant by which a reader looks, None for everybody else.
        rows: which objects are shown, None for all.
        fields: which top-level members of a body are shown, None for all.
        declaration: the slice's, with nothing in it of members that are not shown.
        sees: what the module shows this caller, None for everything.
    """

    grant: Grant | None
    rows: Filter | None
    fields: frozenset[str] | None
    declaration: Declaration
    sees: Sees | None

    @property
    def key(self) -> Key:
        """Equal keys show the same."""
        return self.fields, self.rows.text if self.rows else ""

    @property
    def grant_id(self) -> str | None:
        return self.grant.grant_id if self.grant else None

    def filter(self, where: str) -> Filter:
        """The caller's own conditions together with those of the grant.

        Raises:
            Problem: 422, the conditions do not fit or look at what is not shown.
        """
        wanted = query.parse(where, self.declaration)
        for path in sorted(wanted.paths):
            self.require_path("where", path)
        return wanted if self.rows is None else query.both(self.rows, wanted)

    def require_path(self, argument: str, path: str) -> None:
        """Return when the member is shown.

        Raises:
            Problem: 422; the same for members that are and that are not there.
        """
        if self.fields is not None and path.partition(".")[0] not in self.fields:
            raise Problem(422, "invalid-query", f"`{argument}`: the grant does not show `{path[:100]}`.")

    def names(self, wanted: Iterable[str] | None) -> frozenset[str] | None:
        """The members to show of those that are wanted; None is all."""
        if wanted is None or self.fields is None:
            return self.fields if wanted is None else frozenset(wanted)
        return self.fields & frozenset(wanted)

    def shows(self, id_: str, value: bytes) -> bool:
        """Whether this object is there for the caller."""
        if self.rows is not None and not self.rows.matches_row(value):
            return False
        return self.sees is None or self.sees(object_of(id_, value))

    def row(self, id_: str, value: bytes, wanted: frozenset[str] | None = None) -> dict[str, Any]:
        """`{"id", "body", "seq"}` with the members that are shown and wanted."""
        shown, names = row_json(id_, value), self.names(wanted)
        return shown if names is None else {**shown, "body": query.Projection(names).of(shown["body"])}


class Sights:
    """How the callers of one twin see its slices."""

    def __init__(self, state: State, rights: Rights, visible: Visible) -> None:
        self._state = state
        self._rights = rights
        self._visible = visible

    def of(self, caller: Caller, slice_: str) -> Sight:
        """The caller's sight of a slice; whether they may look at all is for `Rights` to say."""
        grant = self._rights.granted.live(caller.id, slice_) if caller.is_twin else None
        visible = self._visible
        sees = None if visible is None else lambda object_: visible(caller.id, slice_, object_)
        if grant is None:
            return Sight(None, None, None, declaration_of(self._state, slice_), sees)
        return self.by(slice_, grant.fields, grant.where, grant, sees)

    def by(
        self,
        slice_: str,
        fields: Iterable[str] | None,
        where: dict[str, Any],
        grant: Grant | None = None,
        sees: Sees | None = None,
    ) -> Sight:
        """The sight that such terms give."""
        declaration = declaration_of(self._state, slice_)
        # The rows are chosen also by members that are not shown.
        rows = query.parse(codec.encode(where).decode(), declaration) if where else None
        names = None if fields is None else frozenset(fields)
        shown = declaration if names is None else limited(declaration, names)
        return Sight(grant, rows, names, shown, sees)
