"""Models that OpenFGA refuses, each with the code."""

from __future__ import annotations

from typing import Any

from tests.authz.cases import SMALL, THIS, USER, WILDCARD, computed, direct, through

Json = dict[str, Any]
MODEL, INVALID = "invalid_authorization_model", "validation_error"


def of(relations: Json, metadata: Json, *types: Json, **more: Any) -> Json:
    """A model of users and documents."""
    doc = {"type": "doc", "relations": relations, "metadata": {"relations": metadata}}
    return {"schema_version": "1.1", "type_definitions": [{"type": "user"}, doc, *types], **more}


def condition(**changes: Any) -> Json:
    guest = {"guest": direct({**USER, "condition": "small"})}
    return of({"guest": THIS}, guest, conditions={"small": {**SMALL, **changes}})


def typed(name: str, *generic: str) -> Json:
    inner = [{"type_name": f"TYPE_NAME_{one}"} for one in generic]
    return {"type_name": f"TYPE_NAME_{name}", "generic_types": inner}


VIEWER = {"viewer": direct(USER)}
DOC_VIEWER = {"type": "doc", "relation": "viewer"}
REFUSED: dict[str, tuple[Json, str]] = {
    "nothing": ({}, "type_definitions_too_few_items"),
    "no types": ({"type_definitions": []}, "type_definitions_too_few_items"),
    "no version": ({"type_definitions": [{"type": "user"}]}, INVALID),
    "another version": ({**of({}, {}), "schema_version": "2.0"}, INVALID),
    "the old version": ({**of({}, {}), "schema_version": "1.0"}, MODEL),
    "a type without a name": (of({}, {}, {"type": ""}), "type_invalid_pattern"),
    "a type with a space": (of({}, {}, {"type": "a b"}), "type_invalid_pattern"),
    "a long type": (of({}, {}, {"type": "x" * 255}), "type_invalid_pattern"),
    "a type twice": (of({}, {}, {"type": "user"}), MODEL),
    "the type self": (of({}, {}, {"type": "self"}), MODEL),
    "the type this": (of({}, {}, {"type": "this"}), MODEL),
    "the relation self": (of({"self": THIS}, {"self": direct(USER)}), MODEL),
    "a relation with a space": (of({"a b": THIS}, {"a b": direct(USER)}), "relations_invalid_pattern"),
    "a long relation": (of({"x" * 51: THIS}, {}), "relations_invalid_pattern"),
    "types that are too many": (of({}, {}, *[{"type": f"t{n}"} for n in range(99)]), "exceeded_entity_limit"),
    "an expression in place of a condition": (
        of({"viewer": THIS}, {"viewer": direct({**USER, "condition": "$expression"})}),
        INVALID,
    ),
    "no rewrite": (of({"viewer": {}}, {}), MODEL),
    "two rewrites": (of({"viewer": {**THIS, **computed("x")}}, VIEWER), INVALID),
    "a rewrite of a text": (of({"viewer": "this"}, VIEWER), INVALID),
    "a relation without users": (of({"viewer": THIS}, {}), MODEL),
    "users of a computed relation": (
        of({"a": THIS, "viewer": computed("a")}, {**VIEWER, "a": direct(USER)}),
        MODEL,
    ),
    "an unknown type": (of({"viewer": THIS}, {"viewer": direct({"type": "ghost"})}), MODEL),
    "an unknown userset": (of({"viewer": THIS}, {"viewer": direct({"type": "doc", "relation": "x"})}), MODEL),
    "an empty userset": (of({"viewer": THIS}, {"viewer": direct({"type": "doc", "relation": ""})}), MODEL),
    "an unknown condition": (of({"viewer": THIS}, {"viewer": direct({**USER, "condition": "x"})}), MODEL),
    "an unknown computed relation": (of({"viewer": computed("ghost")}, {}), MODEL),
    "itself": (of({"viewer": computed("viewer")}, {}), MODEL),
    "a circle": (of({"a": computed("b"), "b": computed("a")}, {}), MODEL),
    "a circle with a way in": (
        of({"a": {"union": {"child": [THIS, computed("b")]}}, "b": computed("a")}, {"a": direct(USER)}),
        MODEL,
    ),
    "no way in": (of({"viewer": THIS}, {"viewer": direct(DOC_VIEWER)}), MODEL),
    "no way in to an intersection": (
        of(
            {"a": THIS, "viewer": {"intersection": {"child": [computed("a"), THIS]}}},
            {"a": direct(USER), "viewer": direct(DOC_VIEWER)},
        ),
        MODEL,
    ),
    "no way in to what is subtracted": (
        of(
            {"a": THIS, "viewer": {"difference": {"base": computed("a"), "subtract": THIS}}},
            {"a": direct(USER), "viewer": direct(DOC_VIEWER)},
        ),
        MODEL,
    ),
    "a union of one": (of({"viewer": {"union": {"child": [THIS]}}}, VIEWER), MODEL),
    "an intersection of one": (of({"viewer": {"intersection": {"child": [THIS]}}}, VIEWER), MODEL),
    "an exclusion without a base": (
        of({"viewer": {"difference": {"subtract": THIS}}}, VIEWER),
        "difference_base_missing_value",
    ),
    "an exclusion of nothing": (
        of({"viewer": {"difference": {"base": THIS}}}, VIEWER),
        "subtract_base_missing_value",
    ),
    "an unknown tupleset": (of({"viewer": through("ghost", "viewer")}, {}), MODEL),
    "a computed tupleset": (
        of({"a": THIS, "p": computed("a"), "viewer": through("p", "a")}, {"a": direct({"type": "doc"})}),
        MODEL,
    ),
    "a tupleset with a union": (
        of(
            {"a": THIS, "p": {"union": {"child": [THIS, computed("a")]}}, "viewer": through("p", "a")},
            {"a": direct({"type": "doc"}), "p": direct({"type": "doc"})},
        ),
        MODEL,
    ),
    "a tupleset with usersets": (
        of(
            {"a": THIS, "p": THIS, "viewer": through("p", "a")},
            {"a": direct(USER), "p": direct({"type": "doc"}, {"type": "doc", "relation": "a"})},
        ),
        MODEL,
    ),
    "a tupleset with a wildcard": (
        of(
            {"a": THIS, "p": THIS, "viewer": through("p", "a")},
            {"a": direct(USER), "p": direct({"type": "doc"}, WILDCARD)},
        ),
        MODEL,
    ),
    "a target that no parent has": (
        of({"p": THIS, "viewer": through("p", "ghost")}, {"p": direct({"type": "doc"})}),
        MODEL,
    ),
    "a condition under another name": (condition(name="other"), MODEL),
    "a condition that is no boolean": (condition(expression="x + 1"), MODEL),
    "a condition of other types": (condition(expression='x == "a"'), MODEL),
    "a condition that is not CEL": (condition(expression="x <"), MODEL),
    "a condition of unknown names": (condition(expression="y < 10"), MODEL),
    "a condition without an expression": (condition(expression=""), MODEL),
    "a long condition": (condition(expression="x < 10" + " && x < 10" * 60), INVALID),
    "a parameter of no type": (condition(parameters={"x": {}}), MODEL),
    "a list of nothing": (condition(parameters={"x": typed("LIST")}), MODEL),
    "a list of two types": (condition(parameters={"x": typed("LIST", "INT", "INT")}), MODEL),
    "a number of something": (condition(parameters={"x": typed("INT", "INT")}), MODEL),
    "an address that is compared with a text": (
        condition(parameters={"x": typed("IPADDRESS")}, expression='x == "10.0.0.1"'),
        MODEL,
    ),
    "parameters that are too many": (
        condition(parameters={f"x{n}": typed("INT") for n in range(26)}, expression="x1 < 1"),
        INVALID,
    ),
    "conditions that are too many": (
        of({}, {}, conditions={f"c{n}": {**SMALL, "name": f"c{n}"} for n in range(26)}),
        INVALID,
    ),
    "a model that is too large": (
        of(
            {f"{'r' * 40}{n}": THIS for n in range(4000)},
            {f"{'r' * 40}{n}": direct(USER) for n in range(4000)},
        ),
        "exceeded_entity_limit",
    ),
}
ACCEPTED: dict[str, Json] = {
    "no relations": of({}, {}),
    "snake case": of(
        {
            "a": THIS,
            "p": THIS,
            "viewer": {
                "tuple_to_userset": {"tupleset": {"relation": "p"}, "computed_userset": {"relation": "a"}}
            },
        },
        {"a": direct(USER), "p": direct({"type": "doc"})},
    ),
    "a target that one parent has": of(
        {"p": THIS, "a": THIS, "viewer": through("p", "a")},
        {"a": direct(USER), "p": direct(USER, {"type": "doc"})},
    ),
    "recursion with a way in": of({"viewer": THIS}, {"viewer": direct(USER, DOC_VIEWER)}),
    "conditions of every type": condition(
        parameters={
            "x": typed("MAP", "INT"),
            "l": typed("LIST", "STRING"),
            **{
                f"a_{name.lower()}": typed(name)
                for name in ("ANY", "BOOL", "UINT", "DOUBLE", "DURATION", "TIMESTAMP", "IPADDRESS")
            },
        },
        expression='x["a"] < 10 && l.exists(one, one == "b") && a_bool && a_uint > 1u && a_double < 1.5 && '
        'a_duration < duration("1h") && a_timestamp < timestamp("2030-01-01T00:00:00Z") + a_duration && '
        'a_ipaddress.in_cidr("10.0.0.0/8") && a_any == "z"',
    ),
    "modules": {
        **of(
            {"viewer": THIS},
            {"viewer": {**direct(USER), "module": "core", "source_info": {"file": "core.fga"}}},
        ),
        "schema_version": "1.2",
    },
}
