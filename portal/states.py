"""Lifecycles as small declared tables.

A lifecycle says which action leads from which state to which; everything else is refused. Rows move by a
conditional UPDATE, so two people who press at the same time cannot both win.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import models


class WrongState(Exception):
    """The row is not in a state from which the action may be taken; the text is for people."""


class Lifecycle:
    """A table ``{state: {action: next state}}``, checked when it is declared.

    Raises ValueError when a target state is not declared, or a state cannot be reached from the first.
    """

    def __init__(self, name: str, table: Mapping[str, Mapping[str, str]]) -> None:
        self.name = name
        self.table = table
        self.start = next(iter(table))
        self._check()

    @property
    def final(self) -> frozenset[str]:
        """States that no action leaves."""
        return frozenset(state for state, actions in self.table.items() if not actions)

    @property
    def open(self) -> frozenset[str]:
        """States that some action still leaves."""
        return frozenset(self.table) - self.final

    def after(self, state: str, action: str) -> str:
        """The state to which the action leads. Raises WrongState when the table has no such row."""
        try:
            return self.table[state][action]
        except KeyError:
            raise WrongState(f"This {self.name} is {state}: it can no longer {action}.") from None

    def move(self, row: models.Model, action: str, **fields: Any) -> None:
        """Take the action on one row and store ``fields`` with it, or raise WrongState and store nothing."""
        old: str = row.state  # type: ignore[attr-defined]
        new = self.after(old, action)
        rows = type(row)._default_manager.filter(pk=row.pk, state=old)
        if not rows.update(state=new, **fields):
            row.refresh_from_db()
            raise WrongState(f"Somebody else was faster: this {self.name} is {row.state} now.")  # type: ignore[attr-defined]
        row.refresh_from_db()

    def _check(self) -> None:
        reached = {self.start} | {state for actions in self.table.values() for state in actions.values()}
        if unknown := reached - set(self.table):
            raise ValueError(f"{self.name}: undeclared states {sorted(unknown)}")
        if lost := set(self.table) - reached:
            raise ValueError(f"{self.name}: states that nothing leads to {sorted(lost)}")
