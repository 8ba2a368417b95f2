"""Verification: replays a whole log into a state of its own and, if asked, runs every reducer again."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from twins.runtime import codec
from twins.runtime.identity import KEY, TABLE
from twins.runtime.log.record import Opened, Part
from twins.runtime.log.seal import Seal
from twins.runtime.log.verify import Verification
from twins.runtime.module import Module
from twins.runtime.reexecution import Difference, Reexecution
from twins.runtime.state import Effect, State


class _Replay:
    """What a log's effects make of an empty state, and every key that the twin signed with."""

    def __init__(self, module: Module | None) -> None:
        self.state = State()
        self.again = Reexecution(module, self.state) if module is not None else None
        self.difference: Difference | None = None
        self._keys: dict[str, None] = {}

    def visit(self, opened: Opened, parts: list[Part | None], effects: list[Effect]) -> None:
        if self.again is not None and self.difference is None:
            self.difference = self.again.compare(opened, parts, effects)
        self.state.apply(effects, opened.frame.seq)
        for table, key, value in effects:
            if table == TABLE and key == KEY and value is not None:
                self._keys[codec.decode(value)["x"]] = None

    def known(self) -> tuple[str, Iterable[str]]:
        return self.state.get(TABLE, KEY)["id"], self._keys


def verify(
    directory: Path,
    seal: Seal,
    *,
    replay: Module | None = None,
    witnessed: Iterable[str] = (),
    until: tuple[int, int] | None = None,
) -> dict[str, Any]:
    """The chain, its tree, its checkpoints and the state that it makes, read again from the disk.

    Args:
        replay: run this module's reducers again and compare.
        witnessed: checkpoints of the twin that others kept.
        until: as `Scan` has it.

    Returns:
        What `log.verify.Verification.summary` returns, with `digest`, the replayed state's; with `replay`
        also `replayed`: `{"executed", "not_executed"}`.

    Raises:
        LogMissing: no log is there.
    """
    made = _Replay(replay)
    log = Verification(directory, seal, made.visit, made.known, witnessed, until)
    log.run()
    found = log.summary()
    found["digest"] = made.state.digest() if found["ok"] else None
    if made.again is not None:
        found["replayed"] = {"executed": made.again.executed, "not_executed": made.again.skipped}
        if made.difference is not None and found["ok"]:
            found |= {"ok": False, "problem": str(made.difference)}
    return found
