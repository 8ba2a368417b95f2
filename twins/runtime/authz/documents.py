"""Documents: a model in the JSON form of OpenFGA's interface, checked and with every field present.

What is checked here is the form alone (`authzmodel.pb.validate.go`); `validation` checks what it means.
Fields that are not known are dropped, as the interface does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from twins.runtime.authz.errors import invalid
from twins.runtime.authz.faults import NAME, TYPE, Fault, longer, missing, refuse, unfit

MOST_CONDITIONS = MOST_PARAMETERS = 25
INLINE = "$expression"
FILE = r"^[a-zA-Z0-9_\-\/]{1,100}\.fga$"
OPERANDS = {"union", "intersection"}
SPELLINGS = {"computed_userset": "computedUserset", "tuple_to_userset": "tupleToUserset"}
REWRITES = {"this", "computedUserset", "tupleToUserset", "difference", *OPERANDS}
TYPE_NAMES = (
    *("UNSPECIFIED", "ANY", "BOOL", "STRING", "INT", "UINT", "DOUBLE"),
    *("DURATION", "TIMESTAMP", "MAP", "LIST", "IPADDRESS"),
)
Json = dict[str, Any]


def canonical_model(document: Mapping[str, Any]) -> Json:
    """`{"schema_version", "type_definitions", "conditions"}` as the interface gives it back.

    Raises:
        Refused: the form is wrong.
    """
    version = _text(document, "schema_version")
    types = [_type(one) for one in _array(document, "type_definitions")]
    conditions = {key: _condition(_object(one)) for key, one in _members(document, "conditions")}
    refuse(_faults(version, types, conditions))
    return {"schema_version": version, "type_definitions": types, "conditions": conditions}


def _faults(version: str, types: list[Json], conditions: Json) -> Iterator[Fault]:
    request = "WriteAuthorizationModelRequest"
    if not types:
        yield request, "TypeDefinitions", "value must contain at least 1 item(s)"
    for one in types:
        yield from _type_faults(one)
    if version not in ("1.0", "1.1", "1.2"):
        yield request, "SchemaVersion", "value must be in list [1.0 1.1 1.2]"
    if len(conditions) > MOST_CONDITIONS:
        yield request, "Conditions", f"value must contain no more than {MOST_CONDITIONS} pair(s)"
    for key, one in conditions.items():
        yield from unfit(request, f"Conditions[{key}]", key, NAME)
        yield from _condition_faults(one)


def _type_faults(definition: Json) -> Iterator[Fault]:
    yield from unfit("TypeDefinition", "Type", definition["type"], TYPE)
    for key, rewrite in definition["relations"].items():
        yield from unfit("TypeDefinition", f"Relations[{key}]", key, NAME)
        yield from _rewrite_faults(rewrite)
    for one in ((definition["metadata"] or {}).get("relations") or {}).values():
        for related in one["directly_related_user_types"]:
            yield from unfit("RelationReference", "Type", related["type"], TYPE)
            for field in ("relation", "condition"):
                if related.get(field):
                    yield from unfit("RelationReference", field.title(), related[field], NAME)
            if related["condition"] == INLINE:
                raise invalid(f"{INLINE} requires the experimental feature inline_expressions")


def _rewrite_faults(rewrite: Json) -> Iterator[Fault]:
    for kind, content in rewrite.items():
        if kind == "computedUserset":
            yield from _reference_faults(content)
        elif kind == "tupleToUserset":
            for part, name in (("tupleset", "Tupleset"), ("computedUserset", "ComputedUserset")):
                yield from missing("TupleToUserset", name, content[part])
                yield from _reference_faults(content[part] or {"object": "", "relation": ""})
        elif kind == "difference":
            for part in ("base", "subtract"):
                yield from missing("Difference", part.title(), content[part])
                yield from _rewrite_faults(content[part] or {})
        elif kind in OPERANDS:
            for child in content["child"]:
                yield from _rewrite_faults(child)


def _reference_faults(reference: Json) -> Iterator[Fault]:
    yield from longer("ObjectRelation", "Object", reference["object"], 256)
    yield from longer("ObjectRelation", "Relation", reference["relation"], 50)


def _condition_faults(condition: Json) -> Iterator[Fault]:
    yield from unfit("Condition", "Name", condition["name"], NAME)
    yield from longer("Condition", "Expression", condition["expression"], 512)
    if len(condition["parameters"]) > MOST_PARAMETERS:
        yield "Condition", "Parameters", f"value must contain no more than {MOST_PARAMETERS} pair(s)"
    for key in condition["parameters"]:
        yield from unfit("Condition", f"Parameters[{key}]", key, NAME)


def _type(document: Any) -> Json:
    one = _object(document)
    relations = {key: _rewrite(rewrite) for key, rewrite in _members(one, "relations")}
    metadata = one.get("metadata")
    return {
        "type": _text(one, "type"),
        "relations": relations,
        "metadata": None if metadata is None else _metadata(_object(metadata)),
    }


def _metadata(document: Json) -> Json:
    relations = {
        key: {
            "directly_related_user_types": [
                _related(_object(related)) for related in _array(_object(one), "directly_related_user_types")
            ],
            **_origin(_object(one)),
        }
        for key, one in _members(document, "relations")
    }
    return {"relations": relations, **_origin(document)}


def _origin(document: Json) -> Json:
    """Where a part of a modular model comes from (schema 1.2)."""
    source = document.get("source_info")
    file = _text(_object(source), "file") if source is not None else ""
    module = _text(document, "module")
    if module:
        refuse(unfit("Metadata", "Module", module, NAME))
    if file:
        refuse(unfit("SourceInfo", "File", file, FILE))
    return {"module": module, "source_info": None if source is None else {"file": file}}


def _related(document: Json) -> Json:
    found: Json = {"type": _text(document, "type")}
    if document.get("relation") is not None:
        found["relation"] = _text(document, "relation")
    if document.get("wildcard") is not None:
        if "relation" in found:
            raise invalid("a relation reference has either a relation or a wildcard")
        found["wildcard"] = {}
    return {**found, "condition": _text(document, "condition")}


def _rewrite(document: Any) -> Json:
    given = {
        SPELLINGS.get(kind, kind): content
        for kind, content in _object(document).items()
        if content is not None
    }
    kinds = [kind for kind in given if kind in REWRITES]
    if len(kinds) > 1:
        raise invalid(f"a userset is one of {', '.join(sorted(kinds))}, not several")
    return {kind: _content(kind, _object(given[kind])) for kind in kinds}


def _content(kind: str, document: Json) -> Json:
    if kind in OPERANDS:
        return {"child": [_rewrite(child) for child in _array(document, "child")]}
    if kind == "difference":
        parts = {part: document.get(part) for part in ("base", "subtract")}
        return {part: None if one is None else _rewrite(one) for part, one in parts.items()}
    if kind == "computedUserset":
        return _reference(document)
    if kind == "tupleToUserset":
        target = document.get("computedUserset", document.get("computed_userset"))
        parts = {"tupleset": document.get("tupleset"), "computedUserset": target}
        return {part: None if one is None else _reference(_object(one)) for part, one in parts.items()}
    return {}


def _reference(document: Json) -> Json:
    return {"object": _text(document, "object"), "relation": _text(document, "relation")}


def _condition(document: Json) -> Json:
    metadata = document.get("metadata")
    return {
        "name": _text(document, "name"),
        "expression": _text(document, "expression"),
        "parameters": {key: _parameter(one) for key, one in _members(document, "parameters")},
        "metadata": None if metadata is None else _origin(_object(metadata)),
    }


def _parameter(document: Any) -> Json:
    one = _object(document)
    name = one.get("type_name") or "TYPE_NAME_UNSPECIFIED"
    if isinstance(name, int) and 0 <= name < len(TYPE_NAMES):
        name = f"TYPE_NAME_{TYPE_NAMES[name]}"
    if not isinstance(name, str) or name.removeprefix("TYPE_NAME_") not in TYPE_NAMES:
        name = "TYPE_NAME_UNSPECIFIED"
    return {"type_name": name, "generic_types": [_parameter(item) for item in _array(one, "generic_types")]}


def _object(value: Any) -> Json:
    if not isinstance(value, dict):
        raise invalid(f"expected an object, found {str(value)[:60]!r}")
    return value


def _array(document: Mapping[str, Any], name: str) -> list[Any]:
    value = document.get(name)
    if value is not None and not isinstance(value, list):
        raise invalid(f"{name} must be a list, not {str(value)[:60]!r}")
    return value or []


def _members(document: Mapping[str, Any], name: str) -> list[tuple[str, Any]]:
    value = document.get(name)
    return sorted(_object(value).items()) if value is not None else []


def _text(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name)
    if value is not None and not isinstance(value, str):
        raise invalid(f"{name} must be a text, not {str(value)[:60]!r}")
    return value or ""
