"""Store: models, tuples, their changes and assertions in memory, as one OpenFGA store has them."""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from twins.runtime.authz.conditions import Conditioned
from twins.runtime.authz.errors import ABORTED, Refused
from twins.runtime.authz.model import Model
from twins.runtime.authz.names import key_of, type_of
from twins.runtime.authz.parameters import instant
from twins.runtime.authz.tuples import Tuples
from twins.runtime.ids import new_ulid

PAGE = 50
Json = dict[str, Any]


class Stored(NamedTuple):
    """A tuple; `seq` counts writes, so that a page's token means the same after deletions."""

    seq: int
    object: str
    relation: str
    user: str
    condition: Conditioned | None
    at: str

    @property
    def key(self) -> str:
        return key_of(self.object, self.relation, self.user)

    def to_json(self) -> Json:
        condition = None if self.condition is None else self.condition.to_json()
        return {"user": self.user, "relation": self.relation, "object": self.object, "condition": condition}


class Store:
    """One store."""

    def __init__(self, name: str) -> None:
        self.id = new_ulid()
        self.name = name
        self.created_at = now()
        self.models: dict[str, Model] = {}
        self.assertions: dict[str, list[Json]] = {}
        self.tuples = Tuples()
        self.changes: list[Json] = []
        self.instants: list[int] = []
        self._rows: dict[str, Stored] = {}
        self._seq = 0

    @property
    def latest(self) -> Model | None:
        """The model that was written last."""
        return next(reversed(self.models.values()), None)

    def rows(self) -> Iterator[Stored]:
        """Every tuple, those first that were written first."""
        return iter(self._rows.values())

    def matching(self, object_: str, relation: str, user: str) -> Iterator[Stored]:
        """The tuples of an object, or of a type (`slice:`); relation and user may be empty."""
        if user and not object_.endswith(":") and relation:
            one = self._rows.get(key_of(object_, relation, user))
            return iter(() if one is None else (one,))
        return (
            one
            for one in self._rows.values()
            if (one.object.startswith(object_) if object_.endswith(":") else one.object == object_)
            and relation in ("", one.relation)
            and user in ("", one.user)
        )

    def write(
        self,
        deletes: Sequence[Stored],
        writes: Sequence[Stored],
        *,
        ignore_missing: bool = False,
        ignore_duplicate: bool = False,
    ) -> None:
        """Delete and write in one; nothing is done when anything is refused.

        Raises:
            Refused: a tuple to delete is not there, or one to write is.
        """
        gone = [one for one in deletes if self._is_there(one, ignore_missing=ignore_missing)]
        new = [one for one in writes if self._is_new(one, ignore_duplicate=ignore_duplicate)]
        at = now()
        for one in gone:
            del self._rows[one.key]
            self.tuples.remove(one._asdict())
            self._note("DELETE", one, at)
        for one in new:
            self._seq += 1
            self._rows[one.key] = one._replace(seq=self._seq, at=at)
            self.tuples.put(one.object, one.relation, one.user, one.condition)
            self._note("WRITE", one, at)

    def _is_there(self, one: Stored, *, ignore_missing: bool) -> bool:
        if one.key in self._rows:
            return True
        if ignore_missing:
            return False
        raise Refused(
            "write_failed_due_to_invalid_input", f"cannot delete a tuple which does not exist: {_told(one)}"
        )

    def _is_new(self, one: Stored, *, ignore_duplicate: bool) -> bool:
        there = self._rows.get(one.key)
        if there is None:
            return True
        if not ignore_duplicate:
            raise Refused(
                "write_failed_due_to_invalid_input",
                f"cannot write a tuple which already exists: {_told(one)}",
            )
        if there.condition != one.condition:
            raise Refused(
                ABORTED,
                "transactional write failed due to conflict: attempted to write a tuple which already exists "
                f"with a different condition: {_told(one)}",
            )
        return False

    def _note(self, operation: str, one: Stored, at: str) -> None:
        self.changes.append(
            {"tuple_key": one.to_json(), "operation": f"TUPLE_OPERATION_{operation}", "timestamp": at}
        )
        self.instants.append(instant(at))

    def changes_after(self, start: int, type_: str, size: int) -> tuple[list[Json], int]:
        """At most `size` changes of the type's tuples from a position on, and the position behind them."""
        found: list[Json] = []
        position = start
        for position in range(start, len(self.changes)):
            if not type_ or type_of(self.changes[position]["tuple_key"]["object"]) == type_:
                found.append(self.changes[position])
                if len(found) == size:
                    break
        return found, position + 1 if found else start

    def position_at(self, moment: int) -> int:
        """The position of the first change after an instant, in nanoseconds."""
        return bisect_right(self.instants, moment)

    def to_json(self) -> Json:
        return {
            "id": self.id,
            "name": self.name,
            "created_at": self.created_at,
            "updated_at": self.created_at,
            "deleted_at": None,
        }


def now() -> str:
    """The time, as timestamps of the interface are written."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def token_of(position: int, kind: str) -> str:
    """A continuation token: where to go on, and in what."""
    return base64.urlsafe_b64encode(f"{position}|{kind}".encode()).decode()


def position_in(token: str | None) -> tuple[int, str] | None:
    """What a token says; None without one.

    Raises:
        Refused: it is not one of ours.
    """
    if not token:
        return None
    try:
        position, mark, kind = base64.urlsafe_b64decode(token).decode().partition("|")
        if not mark or not position.isdecimal():
            raise ValueError
        return int(position), kind
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise Refused("invalid_continuation_token", "Invalid continuation token") from None


def _told(one: Stored) -> str:
    return (
        f"user: '{one.user}', relation: '{one.relation}', object: '{one.object}': "
        "tuple to be written already existed or the tuple to be deleted did not exist"
    )
