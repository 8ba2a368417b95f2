"""Commitlog records as people read them: who, when, what, with which effect."""

from __future__ import annotations

import json
from typing import Any

from twins.contexts.figure import instant
from twins.mesh import platform_signer
from twins.runtime.client import TwinClient


def names(client: TwinClient) -> dict[str, str]:
    """Display names of the callers that this twin knows, by subject."""
    people = {row["user"]: row["name"] for row in client.get("/v1/people")["people"]}
    readers = {row["reader"]: row["reader_name"] for row in client.get("/v1/grants")["grants"]}
    known = {platform_signer().subject: "the platform", f"twin:{client.twin_ulid}": "the twin itself"}
    return known | people | readers


def rows(records: list[dict[str, Any]], known: dict[str, str]) -> list[dict[str, Any]]:
    """Records with readable times, callers, arguments and effects."""
    return [row(record, known) for record in records]


def row(record: dict[str, Any], known: dict[str, str]) -> dict[str, Any]:
    """One record; values of objects are not repeated here, only which objects changed."""
    caller = str(record["caller"])
    return {
        "seq": record["seq"],
        "time": instant(record["time"]),
        "kind": record["kind"],
        "caller": caller,
        "caller_name": known.get(caller, _own(caller)),
        "reducer": record["reducer"],
        "args": _short(record.get("args") or {}),
        "effect": _effect(record.get("effects") or []),
        "outcome": _outcome(record),
        "error": record.get("error") or "",
    }


OWN = {"agent:sense": "its sense", "agent:clock": "its clock", "agent:vault": "its vault"}


def _own(caller: str) -> str:
    return OWN.get(caller, caller)


def _short(args: dict[str, Any]) -> str:
    """Arguments on one line; long ones by their size."""
    parts = []
    for name, value in args.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        parts.append(f"{name} {text if len(text) <= 60 else f'({len(text)} characters)'}")
    return ", ".join(parts)


def _effect(effects: list[list[Any]]) -> str:
    if not effects:
        return "none"
    first = [f"{'sets' if op == 'put' else 'removes'} {table} {key}" for op, table, key, *_ in effects[:3]]
    more = len(effects) - 3
    return "; ".join(first) + (f"; and {more} more" if more > 0 else "")


def _outcome(record: dict[str, Any]) -> str:
    return {"denied": "denied", "failed": "failed"}.get(str(record["kind"]), "done")
