"""Tiers differ in placement only: a dedicated twin answers as a shared one does."""

from __future__ import annotations

from typing import Any

from tests.host.machine import Machine, eventually
from twins.runtime.client import TwinError

PROBE = "tests.host.probe"


def test_both_tiers_answer_alike_and_a_dedicated_one_shares_no_layout(machine: Machine) -> None:
    for slug, tier in (("acme", "shared"), ("beta", "dedicated"), ("core", "dedicated")):
        machine.create(slug, tier=tier, module=PROBE)
    assert answers(machine, "acme") == answers(machine, "beta")
    layouts = [machine.twin(slug).call("layout", {}).result for slug in ("acme", "beta", "core")]
    assert len({one["hash"] for one in layouts}) == 3
    assert len({one["address"] for one in layouts}) == 3
    # Dedicated twins stay awake, sleep when they are told and leave with their host.
    assert machine.client.sleep("beta")["state"] == "asleep"
    assert machine.stock("beta") == ["bolt"]
    machine.close()
    eventually(lambda: not machine.session())


def answers(machine: Machine, slug: str) -> list[Any]:
    """What a caller is told, without what names the twin."""
    twin = machine.twin(slug)
    told: list[Any] = [twin.call("put", {"slice": "stock", "id": "bolt", "body": {"n": 1}})]
    told.append(twin.objects("stock"))
    try:
        twin.call("put", {"slice": "none", "id": "bolt", "body": {}})
    except TwinError as refusal:
        told.append((refusal.status, refusal.type, refusal.detail))
    told.append([(one["seq"], one["kind"], one["reducer"]) for one in twin.get("/v1/log")["records"]])
    return told
