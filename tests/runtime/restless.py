"""A module like the twin's own, with reducers that do not keep to their context."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from twins.runtime.module import Context, reducer
from twins.runtime.modules.twin import module as twin


@reducer(relation="can_configure")
def draw(ctx: Context) -> dict[str, Any]:
    """Draw a number that no record explains."""
    return {"number": random.SystemRandom().getrandbits(60)}


@reducer(relation="can_configure")
def look(ctx: Context) -> dict[str, Any]:
    """Read a file."""
    return {"size": len(Path(__file__).read_bytes()) * 0}


@reducer(relation="can_configure")
def stamp(ctx: Context) -> None:
    """Write what a clock of its own says."""
    ctx.tx.put("stamps", "last", {"at": time.time_ns()})


reducers = {**twin.reducers, "draw": draw, "look": look, "stamp": stamp}
module = replace(twin, name="tests.runtime.restless", reducers=reducers)
