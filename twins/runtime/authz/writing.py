"""Writing: what a `write` may delete and write, checked before anything is done."""

from __future__ import annotations

from collections.abc import Sequence

from twins.runtime.authz.admission import admit
from twins.runtime.authz.errors import Refused, invalid
from twins.runtime.authz.model import Model
from twins.runtime.authz.names import is_user, key_of, split_userset
from twins.runtime.authz.requests import TupleKey, WriteRequest
from twins.runtime.authz.sizes import struct_size
from twins.runtime.authz.store import Stored

MOST_TUPLES = 100
LONGEST_CONTEXT = 32 * 1024
OPTIONS = ("", "error", "ignore")


def checked(body: WriteRequest, model: Model) -> tuple[list[Stored], list[Stored]]:
    """The tuples to delete and to write.

    Args:
        model: whose tuples they are to be.

    Raises:
        Refused: something is not allowed.
    """
    deletes = (body.deletes.tuple_keys if body.deletes else None) or []
    writes = (body.writes.tuple_keys if body.writes else None) or []
    if not deletes and not writes:
        raise Refused(
            "invalid_write_input",
            "Invalid input. Make sure you provide at least one write, or at least one delete",
        )
    new = [_written(one, model) for one in writes]
    for one in deletes:
        if not is_user(one.user):
            raise invalid(f"Invalid tuple '{_key(one)}'. Reason: the 'user' field is malformed")
    _check_keys([*deletes, *writes])
    _check_options(body)
    return [Stored(0, one.object, one.relation, one.user, None, "") for one in deletes], new


def _written(one: TupleKey, model: Model) -> Stored:
    given = one.condition.plain() if one.condition else None
    condition = admit(model, one.object, one.relation, one.user, given)
    if split_userset(one.user) == (one.object, one.relation):
        raise invalid(f"Invalid tuple '{_key(one)}'. Reason: cannot write a tuple that is implicit")
    size = 0 if condition is None else struct_size(condition.context)
    if size > LONGEST_CONTEXT:
        raise invalid(
            f"Invalid tuple '{_key(one)}'. Reason: condition context size limit exceeded: "
            f"{size} bytes exceeds {LONGEST_CONTEXT} bytes"
        )
    return Stored(0, one.object, one.relation, one.user, condition, "")


def _check_keys(keys: Sequence[TupleKey]) -> None:
    seen = set()
    for one in keys:
        if _key(one) in seen:
            raise Refused(
                "cannot_allow_duplicate_tuples_in_one_request",
                f"duplicate tuple in write: user: '{one.user}', relation: '{one.relation}', "
                f"object: '{one.object}'",
            )
        seen.add(_key(one))
    if len(seen) > MOST_TUPLES:
        raise Refused(
            "exceeded_entity_limit",
            f"The number of write operations exceeds the allowed limit of {MOST_TUPLES}",
        )


def _check_options(body: WriteRequest) -> None:
    if body.writes and body.writes.on_duplicate not in OPTIONS:
        raise invalid(f"invalid on_duplicate option: {body.writes.on_duplicate}")
    if body.deletes and body.deletes.on_missing not in OPTIONS:
        raise invalid(f"invalid on_missing option: {body.deletes.on_missing}")


def _key(one: TupleKey) -> str:
    return key_of(one.object, one.relation, one.user)
