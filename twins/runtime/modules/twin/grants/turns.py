"""Turns: what time makes of grants, in the log's own words. Their windows hold without it."""

from __future__ import annotations

from twins.runtime.authz import tuples
from twins.runtime.callers import CLOCK
from twins.runtime.granted import EXPIRED, GRANTS, LAPSED
from twins.runtime.module import Context, reducer
from twins.runtime.modules.twin.grants.moves import BY_PAIR, OPEN_ASKS, turn


@reducer(only=CLOCK.id)
def expire_grants(ctx: Context) -> dict[str, int]:
    """Say which windows have begun or ended and which requests and offers have waited too long."""
    ids = [row["grant_id"] for _, row in ctx.tx.scan(BY_PAIR)] + ctx.tx.keys(OPEN_ASKS)
    turned = [turn(ctx, ctx.tx.get(GRANTS, grant_id)) for grant_id in ids]
    now = [row["status"] for row in turned if row is not None]
    lapsed = [
        key
        for key, row in ctx.tx.scan(tuples.TABLE)
        if "condition" in row and row["condition"]["context"].get("expires_at", ctx.now) <= ctx.now
    ]
    for key in lapsed:
        ctx.tx.delete(tuples.TABLE, key)
    return {"grants": now.count(EXPIRED), "lapsed": now.count(LAPSED), "other_tuples": len(lapsed)}
