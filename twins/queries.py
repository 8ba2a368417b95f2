"""Reading the directory: search, facets, lineage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict
from urllib.parse import urlencode

from django.db.models import Count, Q, QuerySet

from portal.models import User
from twins.models import Claim, Twin

FACETS = {"kind": "Kind", "state": "State", "tier": "Tier", "place": "Place"}
MOST_VALUES = 12


class FacetValue(TypedDict):
    value: str
    title: str
    count: int
    url: str
    on: bool


class Facet(TypedDict):
    name: str
    title: str
    values: list[FacetValue]


def search(branch: Twin | None, q: str, chosen: Mapping[str, str]) -> QuerySet[Twin]:
    """Twins in the branch whose name or summary holds every word of ``q`` and that have the chosen values."""
    rows = Twin.objects.all()
    if branch:
        rows = rows.filter(path__startswith=branch.path).exclude(pk=branch.pk)
    for word in q.split()[:8]:
        rows = rows.filter(Q(name__icontains=word) | Q(summary__icontains=word) | Q(slug__icontains=word))
    return rows.filter(**{name: value for name, value in chosen.items() if name in FACETS})


def facets(branch: Twin | None, q: str, chosen: Mapping[str, str], base: str) -> list[Facet]:
    """For each facet its values with counts; a value's link adds it to the choice, or takes it away."""
    return [_facet(name, branch, q, chosen, base) for name in FACETS]


def crumbs(twin: Twin) -> list[Twin]:
    """The lineage from the root to the twin's parent."""
    above = [part for part in twin.path.split("/") if part][:-1]
    found = {row.pk.hex: row for row in Twin.objects.filter(pk__in=above)}
    return [found[part] for part in above if part in found]


def with_crumbs(twins: list[Twin]) -> list[Twin]:
    """Give each twin its ``crumbs``, with one query for all of them."""
    parts = {part for twin in twins for part in twin.path.split("/") if part}
    found = {row.pk.hex: row for row in Twin.objects.filter(pk__in=parts)}
    for twin in twins:
        above = [part for part in twin.path.split("/") if part][:-1]
        twin.crumbs = [found[part] for part in above if part in found]  # type: ignore[attr-defined]
    return twins


def children(branch: Twin | None) -> list[dict[str, object]]:
    """The twins right below, each with the number of twins anywhere under it."""
    rows = Twin.objects.filter(parent=branch).annotate(below=Count("children")).order_by("-below", "name")
    return [{"twin": twin, "count": _branch_size(twin) if twin.below else 0} for twin in rows[:24]]


def _branch_size(twin: Twin) -> int:
    return Twin.objects.filter(path__startswith=twin.path).count() - 1


def mine(user: User) -> QuerySet[Twin]:
    """Twins that the person owns or administers."""
    return Twin.objects.filter(memberships__user=user).distinct()


def open_claim(user: User, twin: Twin) -> Claim | None:
    """The person's own open claim to the twin."""
    return Claim.objects.filter(twin=twin, claimant=user, state__in=Claim.LIFECYCLE.open).first()


def queue() -> QuerySet[Claim]:
    """Claims that wait for a curator, oldest first."""
    return (
        Claim.objects.select_related("twin", "claimant")
        .filter(state__in=["review", "more"])
        .order_by("created")
    )


def _facet(name: str, branch: Twin | None, q: str, chosen: Mapping[str, str], base: str) -> Facet:
    others = {key: value for key, value in chosen.items() if key != name}
    counts = search(branch, q, others).exclude(**{name: ""}).values(name).annotate(count=Count("pk"))
    values = []
    for row in counts.order_by("-count", name)[:MOST_VALUES]:
        on = chosen.get(name) == row[name]
        link = others if on else {**others, name: row[name]}
        words = {"q": q} if q else {}
        values.append(
            FacetValue(
                value=row[name],
                title=_title(name, row[name]),
                count=row["count"],
                url=f"{base}?{urlencode({**words, **link})}",
                on=on,
            )
        )
    return Facet(name=name, title=FACETS[name], values=values)


def _title(facet: str, value: str) -> str:
    if facet == "kind":
        return str(Twin.Kind(value).label)
    return str(Twin.State(value).label) if facet == "state" else value
