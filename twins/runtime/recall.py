"""Recall: a twin's state and what follows from it, as a snapshot and the log tell it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from twins.runtime.authz.tuples import TABLE as TUPLES
from twins.runtime.authz.tuples import Tuples
from twins.runtime.granted import Granted
from twins.runtime.identity import identity_of
from twins.runtime.keys import KeyStore
from twins.runtime.log.commitlog import Commitlog
from twins.runtime.log.recovery import Recovered
from twins.runtime.log.scan import Position, PositionUnfit
from twins.runtime.query import Queries
from twins.runtime.snapshots.store import Loaded, SnapshotStore
from twins.runtime.state import Effect, State

logger = logging.getLogger(__name__)


class Memory:
    """An empty state, its tuples, grants and queries; `recover` fills it."""

    def __init__(self) -> None:
        self.state, self.tuples = State(), Tuples()
        self.state.watch(self.tuples.observe, TUPLES)
        self.granted = Granted(self.state)
        self.queries = Queries(self.state)

    def recover(self, log: Commitlog, start: Position | None) -> Recovered:
        """Apply what the log holds behind `start`; raises as `Commitlog.recover`."""
        return log.recover(self._replay, self._known, start)

    def _replay(self, seq: int, effects: Sequence[Effect]) -> None:
        self.state.apply(effects, seq)

    def _known(self) -> tuple[str, list[str]]:
        me = identity_of(self.state)
        return me.id, [me.x]


class Recalled(NamedTuple):
    """A memory, what was found in the log, and the snapshot with which it began, without its rows."""

    memory: Memory
    recovered: Recovered
    snapshot: Loaded | None


def recall(directory: Path, keys: KeyStore, log: Commitlog) -> Recalled:
    """Begin with the newest snapshot that fits the log, or with the first record.

    Raises:
        LogMissing, LogDamaged, KeysUnusable: as the names say.
    """
    for found in SnapshotStore(directory, keys).load():
        memory = Memory()
        memory.state.restore(found.tables, found.through)
        try:
            recovered = memory.recover(log, msgspec.json.decode(found.position, type=Position))
            if recovered.end.seq >= found.through:
                return Recalled(memory, recovered, found._replace(tables={}))
            reason = f"the log ends with record {recovered.end.seq}"
        except (PositionUnfit, msgspec.DecodeError) as unfit:
            reason = str(unfit)
        logger.warning("the snapshot of record %d is passed over: %s", found.seq, reason)
    memory = Memory()
    return Recalled(memory, memory.recover(log, None), None)
