"""Reexecution: runs the reducer of a record again, on the state as it was, and compares what it does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from twins.runtime import answers, clock, codec
from twins.runtime.authz.engine import Engine
from twins.runtime.authz.tuples import TABLE as TUPLES
from twins.runtime.authz.tuples import Given, Tuples
from twins.runtime.callers import Caller
from twins.runtime.granted import Granted
from twins.runtime.identity import KEY, TABLE, Identity
from twins.runtime.log.record import Head, Opened, Part
from twins.runtime.module import Context, Module
from twins.runtime.purity import watched
from twins.runtime.rights import Rights
from twins.runtime.state import Effect, State, Transaction

GENESIS = "genesis"


class Difference(NamedTuple):
    """What a reducer did otherwise when it ran again."""

    seq: int
    reducer: str
    detail: str

    def __str__(self) -> str:
        return f"record {self.seq}: {self.reducer} {self.detail}"


class _RightsThen(Rights):
    """Rights as they were when a record was made."""

    def __init__(self, engine: Engine, state: State, twin: str, granted: Granted, at: str) -> None:
        super().__init__(engine, state, twin, granted)
        self._at = clock.parse(at).timestamp()

    def may(self, caller: Caller, relation: str, object_: str) -> bool:
        given = [Given(self.instance, caller.role, caller.id)] if caller.role else []
        return self.decide(object_, relation, caller.id, self._at, given)


class Reexecution:
    """Goes along with a replay; `executed` and `skipped` count records."""

    def __init__(self, module: Module, state: State) -> None:
        self._module, self._state = module, state
        tuples = Tuples()
        state.watch(tuples.observe, TUPLES)
        self._engine = Engine(module.authorization, tuples)
        self._granted = Granted(state)
        self.executed = self.skipped = 0

    def compare(
        self, opened: Opened, parts: Sequence[Part | None], effects: list[Effect]
    ) -> Difference | None:
        """Run a record's reducer before its effects are applied; what differs, or None.

        Records without effects, and those whose arguments were not kept or were erased, are left out.
        """
        head, said = opened.head, parts[0]
        reducer = self._module.reducers.get(head.reducer)
        known = head.reducer == GENESIS or (reducer is not None and reducer.recorded is None)
        if head.kind != "call" or not known or said is None or opened.erased:
            self.skipped += 1
            return None
        self.executed += 1
        failed = ""
        with watched() as watch:
            try:
                made, result = self._run(head, codec.decode(said.args), effects)
            except Exception as error:  # noqa: BLE001 - whatever a reducer does otherwise is the finding
                failed = f"failed: {type(error).__name__}: {error}"
        if watch.reached:
            failed = f"reached outside its context ({watch.reached})"
        if failed:
            return Difference(head.seq, head.reducer, failed)
        if codec.encode(result) != (said.result or b"null"):
            return Difference(head.seq, head.reducer, "gave another result")
        return _first_difference(head, made, effects)

    def _run(self, head: Head, args: dict[str, Any], effects: list[Effect]) -> tuple[list[Effect], Any]:
        if head.reducer == GENESIS:
            return self._genesis(head, args, effects)
        context = self._context(head, codec.decode(self._state.raw(TABLE, KEY) or b"{}")["id"])
        reducer = self._module.reducers[head.reducer]
        result = reducer.run(context, **reducer.convert(args))
        if head.idempotency_key:
            call = answers.fingerprint(head.reducer, args)
            kept = {"seq": head.seq, "result": result}
            answers.remember(context.tx, head.at, head.caller, head.idempotency_key, call, kept)
        return context.tx.effects(), result

    def _genesis(self, head: Head, args: dict[str, Any], effects: list[Effect]) -> tuple[list[Effect], Any]:
        context = self._context(head, head.caller.removeprefix("twin:"))
        # The identity is made from the new keys, before the module is asked.
        identity = next(value for table, key, value in effects if (table, key) == (TABLE, KEY))
        context.tx.put(TABLE, KEY, msgspec.convert(codec.decode(identity or b"null"), Identity))
        given = {name: value for name, value in args.items() if name not in ("slug", "name", "module")}
        self._module.genesis(context, given)
        return context.tx.effects(), None

    def _context(self, head: Head, twin: str) -> Context:
        return Context(
            now=head.at,
            caller=Caller(head.caller, act=head.act, role=head.role),
            seq=head.seq,
            seed=head.seed,
            twin=twin,
            tx=Transaction(self._state),
            rights=_RightsThen(self._engine, self._state, twin, self._granted, head.at),
            prepared=head.prepared or {},
        )


def _first_difference(head: Head, made: list[Effect], effects: list[Effect]) -> Difference | None:
    for mine, recorded in zip(made, effects, strict=False):
        if tuple(mine) != tuple(recorded):
            return Difference(
                head.seq, head.reducer, f"changed {mine[0]} {mine[1][:80]!r} otherwise than recorded"
            )
    if len(made) != len(effects):
        return Difference(head.seq, head.reducer, f"made {len(made)} changes, {len(effects)} are recorded")
    return None
