"""OpenFGA's own suites, in process: every assertion, with the tuples stored and brought along.

The suites are not part of this repository: they lie in `shared/data/openfga` beside the checkout, or in the
folder that MYCELIUM_OPENFGA_SUITES names.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.authz.desks import Here, Store

SUITES = ("consolidated_1_1_tests.yaml", "abac_tests.yaml")
CODES = {
    2000: "validation_error",
    2002: "authorization_model_resolution_too_complex",
    2021: "type_not_found",
    2022: "relation_not_found",
    2027: "invalid_tuple",
}
EXPECTED = {
    "check": 883,
    "list-objects": 626,
    "streamed-list-objects": 626,
    "list-users": 716,
    "cross-check": 1013,
}
MOST_CONTEXTUAL = 100
Json = dict[str, Any]


class Loader(yaml.CSafeLoader):
    """As the suites' own reader: a timestamp is a text, and so is a number that no double can hold."""


def _number(loader: Loader, node: yaml.ScalarNode) -> float | str:
    value: float = loader.construct_yaml_float(node)
    return value if math.isfinite(value) else str(node.value)


Loader.yaml_implicit_resolvers = {
    first: [pair for pair in pairs if pair[0] != "tag:yaml.org,2002:timestamp"]
    for first, pairs in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}
Loader.add_constructor("tag:yaml.org,2002:float", _number)


def suites() -> Path:
    """The folder of the suites."""
    named = os.environ.get("MYCELIUM_OPENFGA_SUITES")
    beside = [parent / "shared" / "data" / "openfga" for parent in Path(__file__).resolve().parents]
    for folder in [Path(named)] if named else beside:
        if (folder / SUITES[0]).is_file():
            return folder
    pytest.skip("did not run: OpenFGA's suites are not here; MYCELIUM_OPENFGA_SUITES may name their folder")


def stages() -> Iterator[tuple[str, int, list[Json]]]:
    """Each test: its name, how many stages it has, and those with their models in JSON."""
    for name in SUITES:
        path = suites() / name
        models = json.loads(path.with_name(f"{name}.models.json").read_text())["models"]
        for test in yaml.load(path.read_bytes(), Loader)["tests"]:
            for stage in test["stages"]:
                stage["document"] = models[hashlib.sha256(stage["model"].encode()).hexdigest()]
            yield test["name"], len(test["stages"]), test["stages"]


class Run:
    """What was asserted, and what failed."""

    def __init__(self) -> None:
        self.asserted: Counter[str] = Counter()
        self.failed: list[str] = []

    def stage(self, name: str, store: Store, stage: Json, brought: list[Json] | None) -> None:
        model = store.post("authorization-models", stage["document"])[1]["authorization_model_id"]
        if brought is None:
            for key in stage.get("tuples") or []:
                status, told = store.write(key)
                assert status == 200, (name, key, told)
        for verb in ("check", "list-objects", "streamed-list-objects", "list-users"):
            field = {"check": "checkAssertions", "list-users": "listUsersAssertions"}.get(verb)
            for item in stage.get(field or "listObjectsAssertions") or []:
                extra = [*(item.get("contextualTuples") or []), *(brought or [])]
                if len(extra) <= MOST_CONTEXTUAL:
                    self.item(f"{name}: {verb} {item}", store, verb, item, _common(model, item, extra))

    def item(self, where: str, store: Store, verb: str, item: Json, common: Json) -> None:
        asked = item["tuple"] if verb == "check" else item["request"]
        status, body = store.post(verb, {**_request(verb, asked, common), **_rest(verb, common)})
        if item.get("errorCode"):
            code = body.get("code") if isinstance(body, dict) else "?"
            streamed = verb.startswith("streamed")
            fine = status == 400 and (streamed or code == CODES[item["errorCode"]])
            self.note(verb, where, fine, (status, body))
            return
        if verb == "check":
            told = (status, body.get("allowed"))
            self.note(verb, where, told == (200, bool(item.get("expectation"))), (status, body))
            return
        found = _found(verb, body)
        expected = item.get("expectation") or []
        self.note(verb, where, status == 200 and sorted(found) == sorted(expected), (status, body))
        if not verb.startswith("streamed"):
            for name in found:
                self.cross_check(where, store, verb, asked, name, common)

    def cross_check(self, where: str, store: Store, verb: str, asked: Json, name: str, common: Json) -> None:
        listed = verb == "list-objects"
        key = {
            "relation": asked["relation"],
            "user": asked["user"] if listed else name,
            "object": name if listed else asked["object"],
        }
        status, body = store.post("check", {"tuple_key": key, **_rest("check", common)})
        self.note("cross-check", where, (status, body.get("allowed")) == (200, True), (status, body))

    def note(self, kind: str, where: str, fine: bool, answer: object) -> None:
        self.asserted[kind] += 1
        if not fine:
            self.failed.append(f"{where}\n    {answer}")


def _common(model: str, item: Json, extra: list[Json]) -> Json:
    return {"model": model, "context": item.get("context"), "extra": extra}


def _rest(verb: str, common: Json) -> Json:
    extra = common["extra"]
    brought = extra if verb == "list-users" else {"tuple_keys": extra}
    return {
        "authorization_model_id": common["model"],
        "context": common["context"],
        "contextual_tuples": brought if extra else None,
    }


def _request(verb: str, asked: Json, common: Json) -> Json:
    if verb == "check":
        return {"tuple_key": {name: asked[name] for name in ("user", "relation", "object")}}
    if verb != "list-users":
        return {name: asked[name] for name in ("user", "relation", "type")}
    kinds = [one.partition("#") for one in asked["filters"]]
    filters = [{"type": kind, **({"relation": relation} if relation else {})} for kind, _, relation in kinds]
    type_, _, id_ = asked["object"].partition(":")
    return {"object": {"type": type_, "id": id_}, "relation": asked["relation"], "user_filters": filters}


def _found(verb: str, body: Any) -> list[str]:
    if verb == "list-objects":
        return list(body.get("objects", ()))
    if verb == "list-users":
        return [_name(user) for user in body.get("users", ())]
    lines = [body] if isinstance(body, dict) else [json.loads(one) for one in (body or "").splitlines()]
    return [line["result"]["object"] for line in lines if "result" in line]


def _name(user: Json) -> str:
    if "wildcard" in user:
        return f"{user['wildcard']['type']}:*"
    one = user.get("object") or user["userset"]
    return f"{one['type']}:{one['id']}" + (f"#{one['relation']}" if "relation" in one else "")


def test_every_assertion_of_openfgas_suites_holds() -> None:
    run, here = Run(), Here()
    for name, count, own in stages():
        store = Store(here)
        for stage in own:
            run.stage(name, store, stage, None)
        if count == 1 and len(own[0].get("tuples") or []) <= MOST_CONTEXTUAL:
            run.stage(f"{name} (brought along)", Store(here), own[0], own[0].get("tuples") or [])
    assert not run.failed, f"{len(run.failed)} failed:\n" + "\n".join(run.failed[:10])
    assert dict(run.asserted) == EXPECTED
