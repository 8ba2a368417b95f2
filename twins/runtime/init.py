"""Init: makes a twin's directory, its keys and the first record of its log."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

from twins.runtime import clock, files
from twins.runtime.authz.engine import Engine
from twins.runtime.authz.tuples import Tuples
from twins.runtime.callers import Caller
from twins.runtime.granted import Granted
from twins.runtime.identity import KEY, TABLE, Identity
from twins.runtime.ids import is_ulid, new_ulid
from twins.runtime.keys import KeyStore
from twins.runtime.log.commitlog import create as create_log
from twins.runtime.log.record import Record
from twins.runtime.log.segments import path_of
from twins.runtime.module import Context, Module, load
from twins.runtime.rights import Rights
from twins.runtime.sealing import seal_of
from twins.runtime.state import State, Transaction

REDUCER = "genesis"


class TwinExists(Exception):
    """There is a twin in this directory already."""


def create(
    directory: Path,
    *,
    slug: str,
    name: str,
    module: str = "twin",
    twin_id: str | None = None,
    genesis: dict[str, Any],
) -> dict[str, str]:
    """Make a twin; a half-made directory, without a first record, is made anew.

    Args:
        directory: made with mode 0700 if it is missing.
        slug: the name in addresses.
        name: the name for people.
        module: as `module.load` takes it.
        twin_id: a ULID; a new one by default.
        genesis: what the module's `genesis` takes:
            `{"custody", "owner", "admins", "budget", "slices", "senses"}`.

    Returns:
        `{"id", "slug", "name", "kid", "x"}`.

    Raises:
        TwinExists: the directory holds a twin.
        Problem: `genesis` does not fit.
        ValueError: `twin_id` is not a ULID.
        ModuleMissing: there is no such module.
    """
    if path_of(directory).exists():
        raise TwinExists(f"{directory} holds a twin already")
    if twin_id is not None and not is_ulid(twin_id):
        raise ValueError(f"the twin's id must be a ULID, not {twin_id[:60]!r}")
    loaded = load(module)
    files.make_directory(directory)
    keys = KeyStore(directory)
    keys.create_data_key()
    kid, x = keys.create()
    keys.keep_only(kid)
    me = Identity(twin_id or new_ulid(), slug, name, module, clock.now(), kid, x)
    record = _first_record(loaded, me, genesis)
    create_log(directory, seal_of(keys), me.id, record)
    files.sync_directory(directory)
    return {"id": me.id, "slug": slug, "name": name, "kid": kid, "x": x}


def _first_record(module: Module, me: Identity, genesis: dict[str, Any]) -> Record:
    state = State()
    caller = Caller(f"twin:{me.id}", internal=True)
    tx = Transaction(state)
    tx.put(TABLE, KEY, me)
    context = Context(
        now=me.since,
        caller=caller,
        seq=1,
        seed=secrets.token_hex(16),
        twin=me.id,
        tx=tx,
        rights=Rights(Engine(module.authorization, Tuples()), state, me.id, Granted(state)),
    )
    module.genesis(context, genesis)
    return Record(
        seq=1,
        at=me.since,
        kind="call",
        caller=caller.id,
        reducer=REDUCER,
        args={"slug": me.slug, "name": me.name, "module": me.module, **genesis},
        seed=context.seed,
        effects=tx.effects(),
    )
