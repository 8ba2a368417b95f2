"""Module: the reducers, the authorization model and the first state that make a runtime a kind of twin."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import Any, get_type_hints

import msgspec

from twins.runtime.answers import hashed
from twins.runtime.authz.model import Model
from twins.runtime.authz.strict import model_of_twin
from twins.runtime.callers import Caller
from twins.runtime.ids import ulid_from
from twins.runtime.keys import KeyStore, KeysUnusable
from twins.runtime.problems import Problem, invalid
from twins.runtime.rights import Rights
from twins.runtime.state import Transaction

Prepare = Callable[[KeyStore], dict[str, str]]
Recorded = Callable[[dict[str, Any]], dict[str, Any]]
logger = logging.getLogger(__name__)
Visible = Callable[[str, str, dict[str, Any]], bool]


class ModuleMissing(Exception):
    """The named module cannot be loaded."""


@dataclass(slots=True)
class Context:
    """All that a reducer knows of the world; it asks nothing else, so that its record explains it.

    Attributes:
        now: the call's instant, RFC 3339.
        caller: who calls.
        seq: the record's number.
        seed: this call's randomness, 32 hexadecimal characters.
        twin: the twin's ULID.
        tx: the tables.
        prepared: what the reducer's `prepare` made before.
    """

    now: str
    caller: Caller
    seq: int
    seed: str
    twin: str
    tx: Transaction
    rights: Rights
    prepared: Mapping[str, str] = field(default_factory=dict)
    _made: int = 0

    @property
    def by_custody(self) -> bool:
        """Whether the caller acts as the twin's curator."""
        return self.rights.is_curator(self.caller)

    def new_ulid(self) -> str:
        """An id from the call's seed: the same call gives the same ids."""
        self._made += 1
        return ulid_from(hashlib.sha256(f"{self.seed}/{self._made}".encode()).digest())


@dataclass(frozen=True)
class Reducer:
    """One way to change the state.

    Attributes:
        relation: what the caller needs on `target`; ignored when `only` names an internal caller.
        target: how the object's name begins, such as `slice:`; the argument `named_by` is the rest. Without
            one it is the twin itself.
        makes: what the caller needs on the twin itself to name a `target` that does not exist yet; ""
            if nobody may.
        prepare: runs before the record, after authorization; its result is part of the record.
        readers: other twins may call, also ones whose key this twin has not taken for theirs; the reducer
            itself refuses what is not theirs. Everybody else needs the relation.
        recorded: the arguments as the record keeps them, when the whole would be too long, or is not for
            everybody who reads the log; it is only given arguments that fit.
    """

    name: str
    run: Callable[..., Any]
    arguments: type[msgspec.Struct]
    relation: str
    target: str
    named_by: str
    makes: str
    only: str
    prepare: Prepare | None
    recorded: Recorded | None
    readers: bool = False

    def convert(self, args: Any) -> dict[str, Any]:
        """The arguments with the types of the reducer's signature.

        Raises:
            Problem: 422; the detail names the argument.
        """
        try:
            converted = msgspec.convert(args, self.arguments)
        except (msgspec.ValidationError, RecursionError) as error:
            detail = str(error).replace("$.", "").replace("`$`", "the arguments")
            raise invalid(f"{self.name}: {detail}.") from None
        return {name: getattr(converted, name) for name in self.arguments.__struct_fields__}

    def kept(self, args: Any) -> Any:
        """The arguments of a refused call as its record keeps them; by their hash if they do not fit."""
        if self.recorded is None:
            return args
        try:
            self.convert(args)
        except Problem:
            return hashed(self.name, args)
        return self.recorded(args)

    def prepared(self, keys: KeyStore) -> dict[str, str]:
        """What `prepare` makes, or nothing.

        Raises:
            Problem: 503, the disk does not take it.
        """
        try:
            return self.prepare(keys) if self.prepare else {}
        except (OSError, KeysUnusable) as error:
            logger.warning("%s could not be prepared: %s", self.name, error)
            detail = "The twin's disk does not take a new key; nothing was changed."
            raise Problem(503, "disk-failed", detail) from None

    def perform(self, context: Context, args: dict[str, Any]) -> Any:
        """Run it with converted arguments.

        Raises:
            Problem: as the reducer raises it, or 500 for whatever else went wrong.
        """
        try:
            return self.run(context, **args)
        except Problem:
            raise
        except Exception:
            logger.exception("reducer %s failed", self.name)
            raise Problem(500, "internal", "The reducer failed; nothing was changed.") from None

    def authorize(self, caller: Caller, args: dict[str, Any], rights: Rights) -> None:
        """Return when the caller may call with these arguments.

        Raises:
            Problem: the refusal.
        """
        if self.readers and caller.is_twin:
            return
        if self.only:
            if not caller.internal or caller.id != self.only:
                raise rights.refusal(caller, rights.instance)
            return
        object_ = self.target + args[self.named_by] if self.named_by else rights.instance
        if rights.may(caller, self.relation, object_):
            return
        if self.makes and rights.is_unknown(object_) and rights.may(caller, self.makes, rights.instance):
            return
        raise rights.refusal(caller, object_)


def reducer(
    *,
    relation: str = "",
    object: str = "instance",  # noqa: A002 - the word of the authorization model
    makes: str = "",
    only: str = "",
    prepare: Prepare | None = None,
    recorded: Recorded | None = None,
    readers: bool = False,
) -> Callable[[Callable[..., Any]], Reducer]:
    """Declare a reducer. Its arguments are the function's parameters after the context; a trailing `_` of a
    parameter (`id_`) is not part of the argument's name. `object` is what the caller needs the relation to:
    `instance`, or such as `slice:{slice}` with the name of one argument at its end; who has
    `makes` on the twin itself may name one that does not exist yet.
    """
    if bool(relation) == bool(only) and not readers:
        raise TypeError("a reducer needs either a relation or an internal caller")

    def declare(function: Callable[..., Any]) -> Reducer:
        hints = get_type_hints(function, include_extras=True)
        parameters = list(inspect.signature(function).parameters.values())[1:]
        fields: list[Any] = [
            (p.name, hints[p.name]) if p.default is p.empty else (p.name, hints[p.name], p.default)
            for p in parameters
        ]
        names = {p.name: p.name.rstrip("_") for p in parameters}
        struct = msgspec.defstruct(
            function.__name__, fields, rename=names, forbid_unknown_fields=True, kw_only=True
        )
        target, _, named = object.partition("{")
        named_by = {shown: name for name, shown in names.items()}[named.removesuffix("}")] if named else ""
        return Reducer(
            function.__name__,
            function,
            struct,
            relation,
            target,
            named_by,
            makes,
            only,
            prepare,
            recorded,
            readers,
        )

    return declare


@dataclass(frozen=True)
class Module:
    """What a runtime loads.

    Attributes:
        name: as `init` and `serve` name it.
        reducers: by name.
        model: the OpenFGA model in its JSON form.
        genesis: writes the first state from the `genesis` that `init.create` was given.
        visible: whether a caller (its id) who may read a slice sees this object (`{"id","body","seq"}`).
    """

    name: str
    reducers: Mapping[str, Reducer]
    model: dict[str, Any]
    genesis: Callable[[Context, dict[str, Any]], None]
    visible: Visible | None = None

    @cached_property
    def authorization(self) -> Model:
        """The model, read once for all twins of a process and its children."""
        return model_of_twin(self.model)

    def reducer(self, name: str) -> Reducer:
        """The reducer of that name.

        Raises:
            Problem: 404.
        """
        found = self.reducers.get(name)
        if found is None:
            raise Problem(404, "unknown-reducer", f"This twin has no reducer {name[:60]!r}.")
        return found


@cache
def load(name: str) -> Module:
    """The module of that name: `twin`, or a Python module path whose attribute `module` is one.

    It comes with the reducers that every kind of twin has.

    Raises:
        ModuleMissing: there is none.
    """
    path = "twins.runtime.modules.twin" if name == "twin" else name
    try:
        module = importlib.import_module(path).module
    except (ImportError, AttributeError) as error:
        raise ModuleMissing(f"the module {name!r} cannot be loaded: {error}") from None
    if not isinstance(module, Module):
        raise ModuleMissing(f"{path}.module is not a runtime module")
    common = importlib.import_module("twins.runtime.modules.keyuse").REDUCERS
    return replace(module, reducers={**common, **module.reducers})
