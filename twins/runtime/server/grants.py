"""Grants as their two sides see them, and what would be seen under given terms."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec

from twins.runtime import codec, slices, usage
from twins.runtime.callers import Caller
from twins.runtime.granted import GRANTS, HELD, HISTORY, for_reader, grant_of
from twins.runtime.problems import Problem, grant_required, invalid, not_found, unauthorized
from twins.runtime.rights import SLICES
from twins.runtime.server.keys import anyone_of, require, twin_of
from twins.runtime.server.responses import answer, read_json
from twins.runtime.server.wire import Answer, Request
from twins.runtime.tokens import sign_notice
from twins.runtime.twin import Twin

AUDIT, MANAGE = "can_read_audit", "can_manage_grants"
PREVIEWED = 20


class Terms(msgspec.Struct, forbid_unknown_fields=True):
    """Terms as a preview takes them; what is not given of a grant stays as it is there."""

    slice: str | None = None
    fields: Annotated[list[str], msgspec.Meta(max_length=50)] | None = None
    where: dict[str, Any] | None = None


async def grants(request: Request) -> Answer:
    """`GET /v1/grants?role=&state=`: the twin's own, with `role=reader` those that it holds; a reader's."""
    twin, caller = twin_of(request), _party(request)
    role, state = request.query.get("role", "owner"), request.query.get("state", "")
    if role not in ("owner", "reader"):
        raise Problem(400, "bad-request", "`role` must be owner or reader.")
    seq = twin.log.seq
    if not caller.is_twin and role == "reader":
        rows = [row for _, row in twin.state.scan(HELD)]
    else:
        rows = [_shown(twin, row, caller) for row in _rows(twin, caller)]
    if caller.is_twin and not caller.stranger:
        twin.noted(caller, "grants", {})
    await twin.log.wait(seq)
    return answer({"grants": [row for row in rows if state in ("", row["status"])]})


async def one(request: Request) -> Answer:
    """`GET /v1/grants/<id>`: one grant with every move that it made."""
    twin, caller = twin_of(request), _party(request)
    row = _own(twin, caller, request.match_info["id"])
    seq = twin.log.seq
    if caller.is_twin and not caller.stranger:
        twin.noted(caller, "grant", {"grant_id": row["grant_id"]})
    await twin.log.wait(seq)
    return answer({**_shown(twin, row, caller), "history": history(twin, row["grant_id"])})


async def notice(request: Request) -> Answer:
    """`GET /v1/grants/<id>/notice`: the grant and its last move, signed for the reader's own records."""
    twin, caller = twin_of(request), _party(request)
    row = _own(twin, caller, request.match_info["id"])
    seq, me = twin.log.seq, twin.identity
    said = {"target": f"twin:{me.id}", "grant": for_reader(row), "move": history(twin, row["grant_id"])[-1]}
    await twin.log.wait(seq)
    signed = sign_notice(twin.keys.signing_key(me.kid), me.kid, codec.encode(said))
    return answer({"notice": signed, "kid": me.kid})


def history(twin: Twin, grant_id: str) -> list[dict[str, Any]]:
    """Every move of a grant, the first first."""
    moves = []
    for key in twin.state.between(HISTORY, f"{grant_id} "):
        if not key.startswith(f"{grant_id} "):
            break
        moves.append(twin.state.get(HISTORY, key))
    return moves


def _party(request: Request) -> Caller:
    """Who asks: another twin, or somebody with the right to the audit.

    Raises:
        Problem: 401 or 403.
    """
    caller = anyone_of(request)
    return caller if caller.is_twin else require(request, AUDIT)


def _rows(twin: Twin, caller: Caller) -> Iterator[dict[str, Any]]:
    """The grants that are the caller's to see; a stranger's are those that they asked for with this key."""
    if not caller.is_twin:
        yield from (row for _, row in twin.state.scan(GRANTS))
        return
    rows = [twin.state.get(GRANTS, grant_id) for grant_id in twin.granted.ids(caller.id)]
    mine = [row for row in rows if _is_theirs(row, caller)]
    if caller.stranger and not mine:
        raise unauthorized()
    yield from mine


def _is_theirs(row: dict[str, Any], caller: Caller) -> bool:
    return not caller.stranger or row["reader_key"] == caller.x


def _own(twin: Twin, caller: Caller, grant_id: str) -> dict[str, Any]:
    """The grant, when it is the caller's to see.

    Raises:
        Problem: 404; to twins the same as for whatever is not theirs.
    """
    row: dict[str, Any] | None = twin.state.get(GRANTS, grant_id)
    if not caller.is_twin:
        if row is None:
            raise not_found(f"grant {grant_id[:64]!r}")
        return row
    if row is None or row["reader"] != caller.id or not _is_theirs(row, caller):
        problem = unauthorized() if caller.stranger else grant_required()
        twin.refused(caller, "grant", {"grant_id": grant_id[:64]}, problem)
        raise problem
    return row


def _shown(twin: Twin, row: dict[str, Any], caller: Caller) -> dict[str, Any]:
    """A grant as of now; how it is used, and who approved it, is for its owner."""
    now = twin.log.now()
    grant = grant_of(row)
    shown = {**row, "status": grant.at(now), "ended_at": grant.ended(now)}
    if caller.is_twin:
        return for_reader(shown)
    return {**shown, **usage.describe(twin.state, grant, row["granted_at"], now)}


async def preview_of(request: Request) -> Answer:
    """`POST /v1/grants/<id>/preview`: what the reader would see, by the grant's terms or by other ones."""
    require(request, MANAGE)
    twin = twin_of(request)
    row = twin.state.get(GRANTS, request.match_info["id"])
    if row is None:
        raise not_found(f"grant {request.match_info['id'][:64]!r}")
    terms = await _terms(request)
    fields = row["fields"] if terms.fields is None else terms.fields
    where = row["where"] if terms.where is None else terms.where
    return await _preview(twin, row["slice"], fields, where)


async def preview(request: Request) -> Answer:
    """`POST /v1/preview {"slice", "fields"?, "where"?}`: what a reader with such a grant would see."""
    require(request, MANAGE)
    twin = twin_of(request)
    terms = await _terms(request)
    if terms.slice is None or twin.state.raw(SLICES, terms.slice) is None:
        raise not_found(f"slice {terms.slice!r}")
    return await _preview(twin, terms.slice, terms.fields, terms.where or {})


async def _terms(request: Request) -> Terms:
    body = await read_json(request) if request.body else {}
    try:
        return msgspec.convert(body, Terms)
    except msgspec.ValidationError as error:
        raise invalid(f"{error}.".replace("$.", "")) from None


async def _preview(twin: Twin, slice_: str, fields: list[str] | None, where: dict[str, Any]) -> Answer:
    sight = twin.sights.by(slice_, fields, where)
    seq, found = twin.log.seq, twin.state.rows(slices.table_of(slice_))
    ids = [id_ for id_ in twin.state.keys(slices.table_of(slice_)) if sight.shows(id_, found[id_])]
    rows = [sight.row(id_, found[id_]) for id_ in ids[:PREVIEWED]]
    await twin.log.wait(seq)
    return answer({"slice": slice_, "seq": seq, "count": len(ids), "objects": rows})
