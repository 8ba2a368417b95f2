"""Terms: what a grant lets the reader see, for what, and when."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

from twins.runtime import clock, codec, query
from twins.runtime.granted import VERBS
from twins.runtime.module import Context
from twins.runtime.modules.twin.types import Verb
from twins.runtime.problems import invalid, not_found
from twins.runtime.query.declaration import Declaration
from twins.runtime.query.where import AllOf, Equals, Node
from twins.runtime.rights import SLICES

USUAL_VERBS: list[Verb] = ["read", "subscribe"]
LONGEST, USUAL = timedelta(days=366), timedelta(days=90)
SEEN = ("verbs", "fields", "where")
WINDOW = ("not_before", "expires_at")
TERMS = ("slice", "sensitivity", *SEEN, "purpose", "purpose_code", *WINDOW)
Row = dict[str, Any]


def window(
    ctx: Context, not_before: str | None, expires_at: str | None, longest: timedelta = LONGEST
) -> dict[str, str]:
    """The bounds of a grant in the log's form: from now on for 90 days, unless they are given.

    Raises:
        Problem: a bound is no time, or the window is empty, over or longer than 366 days.
    """
    now = clock.parse(ctx.now)
    begin = now if not_before is None else clock.parse(not_before, "not_before")
    try:
        usual = max(begin, now) + min(USUAL, longest)
    except OverflowError:
        raise invalid("`not_before` is too far away.") from None
    end = usual if expires_at is None else clock.parse(expires_at, "expires_at")
    if end <= max(begin, now):
        raise invalid("`expires_at` must be in the future and after `not_before`.")
    if end - begin > longest:
        raise invalid(f"A grant lasts at most {_said(longest)}.")
    return {"not_before": clock.write(begin), "expires_at": clock.write(end)}


def terms(
    ctx: Context,
    slice_: str,
    *,
    purpose: str,
    purpose_code: str,
    verbs: list[Verb] | None,
    fields: list[str] | None,
    where: Row,
    bounds: Row,
) -> Row:
    """The terms as a grant's row has them.

    Raises:
        Problem: no such slice, a row filter that is not understood, or a confidential slice without a list
            of fields.
    """
    declared = ctx.tx.get(SLICES, slice_)
    if declared is None:
        raise not_found(f"slice {slice_!r}")
    seen = _seen(verbs or USUAL_VERBS, fields, where)
    about = {"slice": slice_, "sensitivity": declared["sensitivity"]}
    made = {**about, **seen, "purpose": purpose, "purpose_code": purpose_code, **bounds}
    if made["sensitivity"] == "confidential" and seen["fields"] is None:
        raise invalid(f"The slice {slice_!r} is confidential: `fields` must name what is shown of it.")
    return made


def narrowed(
    ctx: Context,
    row: Row,
    verbs: list[Verb] | None,
    fields: list[str] | None,
    where: Row,
    not_before: str | None,
    expires_at: str | None,
) -> Row:
    """The row's terms, narrower where something is given; conditions are added to those that are there.

    Raises:
        Problem: 422, something would be wider than it was.
    """
    both = {"all": [row["where"], where]} if row["where"] and where else where or row["where"]
    seen = _seen(row["verbs"] if verbs is None else verbs, row["fields"] if fields is None else fields, both)
    for name in ("verbs", "fields"):
        if row[name] is not None and not set(seen[name]) <= set(row[name]):
            raise invalid(f"`{name}` may only be narrower than {', '.join(row[name])}.")
    begin, end = not_before or row["not_before"], expires_at or row["expires_at"]
    bounds = window(ctx, begin, end)
    if bounds["not_before"] < row["not_before"] or bounds["expires_at"] > row["expires_at"]:
        raise invalid(f"The window must lie between {row['not_before']} and {row['expires_at']}.")
    return {**{name: row[name] for name in TERMS}, **seen, **bounds}


def terms_hash(reader: str, row: Row) -> str:
    """SHA-256 over a reader's terms, which both sides can compute from the grant's row."""
    said = codec.encode([reader, {name: row[name] for name in TERMS}])
    return f"sha256:{hashlib.sha256(said).hexdigest()}"


def shows_the_same(one: Row, other: Row) -> bool:
    """Whether both let the reader see the same, whatever their windows are."""
    return all(one[name] == other[name] for name in SEEN)


def _seen(verbs: list[Verb], fields: list[str] | None, where: Row) -> Row:
    conditions = query.compile(where, Declaration("")).conditions
    if not _is_simple(conditions):
        raise invalid("`where` of a grant takes equality and `in` only.")
    named = None if fields is None else sorted(set(fields))
    return {"verbs": [verb for verb in VERBS if verb in verbs], "fields": named, "where": where}


def _is_simple(node: Node) -> bool:
    return isinstance(node, Equals) or (isinstance(node, AllOf) and all(map(_is_simple, node.nodes)))


def _said(longest: timedelta) -> str:
    return f"{longest.days} days" if longest.days > 1 else f"{longest.total_seconds() / 3600:.0f} hours"
