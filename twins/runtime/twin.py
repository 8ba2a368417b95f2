"""Twin: one twin's state and log, and the one way in which a call changes them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from twins.runtime import answers
from twins.runtime.authz.engine import Engine
from twins.runtime.callers import VAULT, Caller, Callers
from twins.runtime.identity import Identity, identity_of
from twins.runtime.keys import KeyStore
from twins.runtime.log.commitlog import Commitlog
from twins.runtime.log.disk import Disk, open_disk
from twins.runtime.log.reader import read
from twins.runtime.log.record import Kind, Opened, Record
from twins.runtime.metrics import Metrics
from twins.runtime.module import Context, Module, ModuleMissing, Reducer
from twins.runtime.problems import Problem, forbidden, unauthorized
from twins.runtime.randomness import Randomness
from twins.runtime.recall import recall
from twins.runtime.refusals import Rates, Refusals, kept_of
from twins.runtime.rights import Rights
from twins.runtime.sealing import seal_of
from twins.runtime.sight import Sights
from twins.runtime.state import Effect, Transaction
from twins.runtime.subscriptions import Hub
from twins.runtime.verification import verify

LONGEST_KEY = answers.LONGEST_KEY
SEED_BYTES = 16
ASKED_PER_SECOND, ASKED_BURST = 2.0, 50.0
# All together: what they write stays, and an owner must read it.
STRANGERS_PER_SECOND, STRANGERS_BURST = 1 / 60, 20.0
STRANGERS = "strangers"
LOG_CALLER = "agent:log"
logger = logging.getLogger(__name__)


class Answer(NamedTuple):
    """What a call is answered, once its record is on disk."""

    seq: int
    result: Any


Done = Callable[[Answer | Problem], None]


class Twin:
    """An open twin. To make one replays the log; `start` begins to write and needs a running event loop.

    A twin whose log is damaged (`log.damage`) is as of its last good record, and is only read. Once it is
    known that the twin is kept elsewhere, `moved` says so to everybody, and `on_moved` was called.

    Raises:
        LogMissing, LogDamaged, KeysUnusable, ModuleMissing: nothing was changed.
    """

    def __init__(self, directory: Path, module: Module, disk: Callable[[Path], Disk] = open_disk) -> None:
        self.module = module
        self.directory = directory
        self.keys = KeyStore(directory)
        self.keys.unlock()
        self._seal = seal_of(self.keys)
        self.log = Commitlog(directory, self._seal, disk=disk)
        memory, self._recovered, self.snapshot = recall(directory, self.keys, self.log)
        self.state, self.tuples, self.queries = memory.state, memory.tuples, memory.queries
        self.granted = memory.granted
        me = self.identity
        if me.module != module.name:
            raise ModuleMissing(f"this twin was made with --module {me.module}, not {module.name}")
        self.id = me.id
        self.engine = Engine(module.authorization, self.tuples)
        self.rights = Rights(self.engine, self.state, self.id, self.granted)
        self.sights = Sights(self.state, self.rights, module.visible)
        self.callers = Callers(self.state, self.id)
        self.metrics = Metrics()
        self.refusals = Refusals(self._suppressed)
        self._asking = Rates(ASKED_PER_SECOND, ASKED_BURST)
        self._strangers = Rates(STRANGERS_PER_SECOND, STRANGERS_BURST)
        self.hub = Hub(self.state, self.rights, self.sights, self.log, self.metrics)
        # A damaged log may have lost the record that replaced the key.
        self._seed = self.keys.signing_key(me.kid) if self.log.damage is None else b""
        self._renewed = 0
        self.moved: Problem | None = None
        self.on_moved: Callable[[], None] = lambda: None
        self._seeds = Randomness(SEED_BYTES).draw

    @property
    def identity(self) -> Identity:
        return identity_of(self.state)

    def records(self) -> Iterator[Opened]:
        """Every record that is on disk, from the first; blocking."""
        return read(self.directory, self._seal)

    def start(self) -> None:
        """Begin to write: cut and record a torn tail, drop keys that were replaced, record the unlocking. A
        damaged log stays as it is.

        Raises:
            TwinMoved: a newer copy of this twin has written.
        """
        if self.log.damage is not None:
            logger.error("only reads are served: %s", self.log.damage)
            return
        self.log.open(self._advance, lambda: self._seed, self._move)
        self.keys.keep_only(self.identity.kid)
        self.keys.sweep()
        if self._recovered.torn:
            logger.warning(
                "cut %d bytes of an unfinished write after record %d",
                self._recovered.torn,
                self._recovered.end.seq,
            )
            args = {"cut_bytes": self._recovered.torn, "after": self._recovered.end.seq}
            self._commit("recovered", Caller(LOG_CALLER, internal=True), "recover", args)
        self._run(VAULT, "unlocked", {"vault": self.keys.box.kind}, "")

    async def close(self) -> None:
        """Return when everything is on disk."""
        self.refusals.settle()
        await self.log.close()

    async def call(self, caller: Caller, name: str, args: Any, key: str = "") -> Answer:
        """Run a reducer and return when its record is on disk.

        Args:
            key: the caller's idempotency key, or "".

        Raises:
            Problem: refused or failed; recorded too.
        """
        future: asyncio.Future[Answer | Problem] = asyncio.get_running_loop().create_future()

        def done(outcome: Answer | Problem) -> None:
            if not future.done():
                future.set_result(outcome)

        self.submit(caller, name, args, key, done)
        outcome = await future
        if isinstance(outcome, Problem):
            raise outcome
        return outcome

    def submit(self, caller: Caller, name: str, args: Any, key: str, done: Done) -> None:
        """As `call`, but at once; `done` gets the answer or the problem when the record is on disk."""
        outcome: Answer | Problem
        # Whoever only says who they are must not get an answer that another one was given.
        key = "" if caller.stranger else key
        try:
            first = answers.find(self.state, caller.id, key, name, args) if key else None
            if first is not None:
                outcome, seq = Answer(first["seq"], first["result"]), first["seq"]
            else:
                outcome = self._run(caller, name, args, key)
                seq = outcome.seq
        except Problem as problem:
            outcome, seq = self._refuse(caller, name, args, problem, key)
        self.metrics.called(name if name in self.module.reducers else "", outcome)
        self.hub.at(seq, lambda: done(outcome), done)

    def _refuse(
        self, caller: Caller, name: str, args: Any, problem: Problem, key: str
    ) -> tuple[Problem, int]:
        try:
            return problem, self.refused(caller, name, args, problem, key)
        except Problem as other:
            return other, 0

    def refused(self, caller: Caller, name: str, args: Any, problem: Problem, key: str = "") -> int:
        """Record a call or a read that was denied or that failed; return the record's seq. Strangers are not
        recorded.

        A log that takes no records keeps nobody from being refused.

        Raises:
            Problem: 429, too many of this caller; they are counted only.
        """
        if self.log.damage is not None or caller.stranger:
            return self.log.durable
        if not caller.internal:
            self.refusals.admit(caller)
        kind: Kind = "denied" if problem.denied else "failed"
        kept, told = kept_of(self.module, name, args, problem)
        return self._commit(kind, caller, name, kept, problem=told, idempotency_key=key[:LONGEST_KEY])

    def verify(self) -> dict[str, Any]:
        """As `verification.verify`, over what is on disk; blocking."""
        return verify(self.directory, self._seal, until=self.log.durable_end)

    def _suppressed(self, caller: Caller, count: int) -> None:
        """Record how many refusals of a caller were not recorded one by one."""
        problem = {"type": "/problems/too-many", "detail": "Refusals that were counted only."}
        self._commit("denied", caller, "", {"suppressed": count}, problem=problem)

    def noted(self, caller: Caller, name: str, args: dict[str, Any], effects: Sequence[Effect] = ()) -> int:
        """Record a read, and what is counted of it; return the record's seq, for which nobody needs to wait.

        Raises:
            Problem: 503, the log takes no records; what cannot be recorded is not read.
        """
        return self._commit("read", caller, name, args, effects=effects)

    def _run(self, caller: Caller, name: str, args: Any, key: str) -> Answer:
        if caller.former:
            raise forbidden()
        reducer = self.module.reducer(name)
        if caller.is_twin and (reducer.readers or caller.stranger):
            self._admit(caller, reducer)
        converted = reducer.convert(args)
        reducer.authorize(caller, converted, self.rights)
        prepared = reducer.prepared(self.keys) if reducer.prepare else {}
        context = self._context(caller, prepared)
        by_custody = context.by_custody
        result = reducer.perform(context, converted)
        if key:
            call = answers.fingerprint(name, args)
            kept = {"seq": context.seq, "result": result}
            answers.remember(context.tx, context.now, caller.id, key, call, kept)
        seq = self._commit(
            "call",
            caller,
            name,
            reducer.recorded(args) if reducer.recorded else args,
            at=context.now,
            effects=context.tx.effects(),
            seed=context.seed,
            result=result,
            prepared=prepared or None,
            by_custody=by_custody,
            idempotency_key=key,
        )
        self._renewed = seq if prepared else self._renewed
        return Answer(seq, result)

    def _admit(self, caller: Caller, reducer: Reducer) -> None:
        """Let other twins ask for grants and answer, each of them so often, and all strangers together."""
        if not reducer.readers:
            raise unauthorized()
        if caller.stranger:
            self._strangers.admit(STRANGERS)
        else:
            self._asking.admit(caller.id)

    def _context(self, caller: Caller, prepared: dict[str, str]) -> Context:
        log, tx = self.log, Transaction(self.state)
        return Context(
            log.now(), caller, log.seq + 1, self._seeds().hex(), self.id, tx, self.rights, prepared
        )

    def _advance(self, durable: int) -> None:
        """Go on with what waited for the disk; remove replaced signing keys."""
        if 0 < self._renewed <= durable:
            self._renewed = 0
            self._seed = self.keys.signing_key(self.identity.kid)
            self._drop_replaced()
        self.hub.advance(durable)

    def _move(self, problem: Problem) -> None:
        self.moved = problem
        self.hub.abandon(problem)
        self.on_moved()

    def _drop_replaced(self) -> None:
        try:
            self.keys.keep_only(self.identity.kid)
        except OSError as error:
            logger.warning("a replaced key is not removed before the next start: %s", error)

    def _commit(
        self,
        kind: Kind,
        caller: Caller,
        name: str,
        args: Any,
        *,
        at: str = "",
        effects: Sequence[Effect] = (),
        **more: Any,
    ) -> int:
        seq = self.log.seq + 1
        record = Record(
            seq=seq,
            at=at or self.log.now(),
            kind=kind,
            caller=caller.id,
            act=caller.act,
            role=caller.role,
            reducer=name,
            args=args,
            effects=effects,
            **more,
        )
        self.log.append(record)
        changes = self.state.apply(effects, seq)
        if changes and self.hub.subscriptions:
            self.hub.at(seq, lambda: self.hub.publish(seq, changes))
        return seq
