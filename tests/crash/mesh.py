"""What the crash tests do in a mesh beside its portal: ``tests.crash.mesh enter N | states | twins``."""

from __future__ import annotations

import json
import sys
from typing import Any

import django


def enter(number: int) -> None:
    """Enter that many twins; whoever drives operations there will set them up."""
    from twins import mesh
    from twins.services import directory

    for count in range(number):
        directory.enter(
            slug=f"crash-{count}",
            name=f"Crash {count}",
            kind="manufacturer",
            parent=None,
            genesis={"custody": mesh.platform_custodian()},
            placement={"tier": "shared", "region": "this machine"},
        )


def states() -> list[str]:
    """The operations' states."""
    from twins.models import Operation

    return list(Operation.objects.values_list("state", flat=True))


def twins() -> dict[str, Any]:
    """Of each twin that is set up: how often it began, and whether all logs are whole."""
    from twins import mesh
    from twins.models import Twin

    begun, whole = [], True
    for twin in Twin.objects.filter(state="virtual"):
        client = mesh.client(twin, mesh.platform_signer())
        records = client.get("/v1/log", {"limit": 1000})["records"]
        begun.append(sum(record["reducer"] == "genesis" for record in records))
        whole = whole and client.get("/v1/verify")["ok"]
    return {"begun": begun, "whole": whole}


if __name__ == "__main__":
    django.setup()
    if sys.argv[1] == "enter":
        enter(int(sys.argv[2]))
    else:
        print(json.dumps({"states": states, "twins": twins}[sys.argv[1]]()))
