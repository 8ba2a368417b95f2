"""A twin that is open in the test's own process, with a clock that the test sets."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import pytest

from tests.runtime.machine import SLICES, entry, person
from twins.runtime import callers, clock, rights
from twins.runtime.callers import CLOCK, Caller
from twins.runtime.client import KeySigner, public_x
from twins.runtime.granted import GRANTS, HISTORY
from twins.runtime.init import create
from twins.runtime.log import commitlog
from twins.runtime.module import load
from twins.runtime.problems import Problem
from twins.runtime.twin import Twin

DAY = 86400.0


class Wall:
    """A wall clock that stands still, some seconds ahead of when it was made."""

    def __init__(self) -> None:
        self.ahead = 0.0
        self._began = round(time.time(), 3)

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)

    def time(self) -> float:
        return self._began + self.ahead

    def time_ns(self) -> int:
        return round(self.time() * 1000) * 1_000_000


class Desk:
    """One twin on disk; `call` runs a reducer to its end, `reopen` begins anew from what the disk has."""

    def __init__(self, *, virtual: bool = False, owners: int = 1) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="twin-"))
        self.curator = person("agent")
        self.owner = person()
        self.owners = [self.owner, *(person() for _ in range(owners - 1))]
        everyone = {name: key for one in self.owners for name, key in entry(one).items()}
        held = {"custody": entry(self.curator)} if virtual else {"owner": everyone}
        self.directory = self.home / "twin"
        genesis = {"slices": SLICES, **held}
        self.id: str = create(self.directory, slug="acme", name="Acme", genesis=genesis)["id"]
        self.wall = Wall()
        self.patch = pytest.MonkeyPatch()
        for module in (clock, rights, commitlog, callers):
            self.patch.setattr(module, "time", self.wall)
        self.runner = asyncio.Runner()
        self.open()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> None:
        self.twin = Twin(self.directory, load("twin"))
        self.runner.run(self._start())

    async def _start(self) -> None:
        self.twin.start()

    def reopen(self) -> str:
        """Open again, as after a crash; the digest of the state that came of it, before any record."""
        self.runner.run(self.twin.close())
        self.twin = Twin(self.directory, load("twin"))
        digest = self.twin.state.digest()
        self.runner.run(self._start())
        return digest

    def close(self) -> None:
        self.runner.run(self.twin.close())
        self.runner.close()
        self.patch.undo()
        shutil.rmtree(self.home)

    def call(self, who: KeySigner | Caller, reducer: str, **args: Any) -> Any:
        """The result of a call. Raises Problem."""
        caller = who if isinstance(who, Caller) else caller_of(who)
        return self.runner.run(self.twin.call(caller, reducer, args)).result

    def refused(self, who: KeySigner | Caller, reducer: str, **args: Any) -> Problem:
        """The refusal of a call, which has changed nothing."""
        before = self.twin.state.digest()
        with pytest.raises(Problem) as refused:
            self.call(who, reducer, **args)
        assert self.twin.state.digest() == before
        return refused.value

    def after(self, seconds: float) -> str:
        """The instant so many seconds after the twin's own now."""
        instant = datetime.fromtimestamp(self.wall.time(), UTC) + timedelta(seconds=seconds)
        return clock.write(instant)

    def sweep(self) -> None:
        self.call(CLOCK, "expire_grants")

    def row(self, grant_id: str) -> dict[str, Any]:
        row: dict[str, Any] = self.twin.state.get(GRANTS, grant_id)
        return row

    def rows(self) -> list[dict[str, Any]]:
        return [row for _, row in self.twin.state.scan(GRANTS)]

    def history(self, grant_id: str) -> list[dict[str, Any]]:
        return [row for key, row in self.twin.state.scan(HISTORY) if key.startswith(f"{grant_id} ")]

    def reads(self, reader: KeySigner, slice_: str = "catalogue", verb: str = "read") -> bool:
        return self.twin.rights.may_read(caller_of(reader), slice_, verb)

    def ask(self, reader: KeySigner, slice_: str = "catalogue", **changes: Any) -> str:
        """A request of a twin that shows its key; the grant's id."""
        said = {"reader_name": "Reader", "reader_key": public_x(reader.key), "purpose": "to compare"}
        grant_id: str = self.call(reader, "request_grant", slice=slice_, **{**said, **changes})["grant_id"]
        return grant_id

    def told(self, reader: KeySigner, slice_: str = "catalogue", **changes: Any) -> dict[str, Any]:
        """Arguments that name a reader, a slice and a purpose."""
        who = {"reader": reader.subject, "reader_name": "Reader", "reader_key": public_x(reader.key)}
        return {**who, "slice": slice_, "purpose": "to compare", **changes}

    def offer(self, reader: KeySigner, slice_: str = "catalogue", **changes: Any) -> str:
        told = self.call(self.owner, "offer_grant", **self.told(reader, slice_, **changes))
        grant_id: str = told["grant_id"]
        return grant_id

    def grant(self, reader: KeySigner, slice_: str = "catalogue", **changes: Any) -> str:
        args = self.told(reader, slice_, grant_id=f"g{len(self.rows())}", **changes)
        grant_id: str = self.call(self.owner, "grant", **args)["grant_id"]
        return grant_id

    def accept(self, reader: KeySigner, grant_id: str) -> Any:
        return self.call(
            reader, "accept_grant", grant_id=grant_id, terms_hash=self.row(grant_id)["terms_hash"]
        )


def caller_of(signer: KeySigner) -> Caller:
    """The caller that a token of this signer names."""
    return Caller(signer.subject, x=public_x(signer.key))
