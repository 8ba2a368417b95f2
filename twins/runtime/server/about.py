"""What a twin says of itself to anyone."""

from __future__ import annotations

from typing import Any

from twins.runtime import clock
from twins.runtime.granted import ACTIVE, GRANTS
from twins.runtime.identity import identity_of
from twins.runtime.rights import SLICES
from twins.runtime.senses.kind import SENSES
from twins.runtime.server.keys import twin_of
from twins.runtime.server.responses import answer
from twins.runtime.server.wire import Answer, Request
from twins.runtime.tokens import public_jwk
from twins.runtime.twin import Twin

PROTOCOL = "mycelium/1"


async def healthz(request: Request) -> Answer:
    twin = twin_of(request)
    if twin.moved is not None:
        return answer({"status": "moved"})
    return answer({"status": "ok" if twin.log.damage is None else "damaged"})


async def about(request: Request) -> Answer:
    return answer(describe(twin_of(request)))


def describe(twin: Twin) -> dict[str, Any]:
    """The document `/.well-known/mycelium.json`: listed slices and the grants on them, nothing else."""
    me = identity_of(twin.state)
    listed = [row for _, row in twin.state.scan(SLICES) if row["listed"]]
    claimed = bool(twin.tuples.users(twin.rights.instance, "owner"))
    damage = twin.log.damage
    return {
        "protocol": PROTOCOL,
        "id": me.id,
        "slug": me.slug,
        "name": me.name,
        "state": "claimed" if claimed else "virtual",
        "posture": twin.granted.posture,
        "kid": me.kid,
        "key": public_jwk(me.x),
        "seq": twin.log.durable,
        "since": me.since,
        "senses": [_sense(row) for _, row in twin.state.scan(SENSES)],
        "slices": [_picked(row, "name", "title", "kind", "sensitivity") for row in listed],
        "grants": _grants(twin, {row["name"] for row in listed}),
        "module": me.module,
        **({"damaged": damage.to_json()} if damage else {}),
    }


def _sense(row: dict[str, Any]) -> dict[str, Any]:
    """A sense as anyone sees it: why it failed may name where it looks, which is not for everybody."""
    results = {None: "", True: "ok", False: "failed"}
    return {**_picked(row, "name", "kind", "title", "last_run"), "last_result": results[row["ok"]]}


def _grants(twin: Twin, listed: set[str]) -> list[dict[str, Any]]:
    now = clock.now()
    return [
        {
            **_picked(row, "slice", "reader_name", "reader"),
            "since": row["not_before"],
            "until": row["expires_at"],
        }
        for grant in twin.granted.lives()
        if grant.slice in listed and grant.at(now) == ACTIVE
        for row in [twin.state.get(GRANTS, grant.grant_id)]
    ]


def _picked(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: row[name] for name in names}
