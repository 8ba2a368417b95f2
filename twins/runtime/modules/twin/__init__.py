"""The module of an ordinary twin: slices of objects, people, grants, senses and custody."""

from __future__ import annotations

from pathlib import Path

from twins.runtime import codec
from twins.runtime.module import Module, Reducer
from twins.runtime.modules.twin import custody, erasure, grants, objects, people, senses, store

REDUCERS: tuple[Reducer, ...] = (
    objects.put,
    objects.patch,
    objects.delete,
    objects.put_many,
    objects.declare_slice,
    erasure.erase,
    erasure.shred,
    erasure.erased,
    objects.set_budget,
    *grants.REDUCERS,
    people.add_person,
    people.remove_person,
    senses.set_sense,
    senses.remove_sense,
    senses.run_sense,
    senses.sense_result,
    custody.claim,
    custody.rotate_key,
    store.authz_write,
)
MODEL = codec.decode(Path(__file__).with_name("model.json").read_bytes())

module = Module("twin", {one.name: one for one in REDUCERS}, MODEL, custody.genesis)
