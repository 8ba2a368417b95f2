"""The directory: entering twins and moving them in the lineage."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from portal.models import User
from twins.models import Membership, Operation, Twin
from twins.operations import driver


def enter(
    *,
    slug: str,
    name: str,
    kind: str,
    parent: Twin | None,
    genesis: dict[str, Any],
    placement: dict[str, Any],
    summary: str = "",
    place: str = "",
    owner: User | None = None,
) -> Operation:
    """Enter a new twin and begin to set it up. With an owner it is born claimed, else kept by the curator.

    Entering the same slug twice gives the operation that is already there.
    """
    with transaction.atomic():
        twin = Twin.objects.filter(slug=slug).first()
        if twin is None:
            twin = Twin(slug=slug, name=name, kind=kind, parent=parent, summary=summary, place=place)
            twin.path = path_under(parent, twin)
            twin.tier, twin.region = placement["tier"], placement["region"]
            twin.save()
            if owner:
                Membership.objects.create(user=owner, twin=twin, role="owner")
        args = {
            "twin": str(twin.pk),
            "genesis": genesis,
            "placement": placement,
            "become": "own" if owner else "keep",
        }
        return driver.begin("provision", f"provision:{slug}", args)


def move(twin: Twin, parent: Twin) -> None:
    """Put a branch under another parent. Moves breadcrumbs and facets; changes no right.

    Raises ValueError when the new parent lies in the branch itself.
    """
    if parent.path.startswith(twin.path):
        raise ValueError(f"{parent.name} lies under {twin.name}: a branch cannot be put under itself.")
    old = twin.path
    with transaction.atomic():
        twin.parent = parent
        new = path_under(parent, twin)
        for row in Twin.objects.filter(path__startswith=old):
            row.path = new + row.path.removeprefix(old)
            row.save(update_fields=["path"])
        twin.path = new
        twin.save(update_fields=["parent"])


def path_under(parent: Twin | None, twin: Twin) -> str:
    """The lineage as text of stable ids, one ``/`` behind each: a branch is what starts with its path."""
    return f"{parent.path if parent else ''}{twin.pk.hex}/"
