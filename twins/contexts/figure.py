"""The three-part figure of a twin, as pages show it: senses in, the twin, grants out."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from twins.models import Twin

About = dict[str, Any]


def senses(about: About | None) -> list[dict[str, Any]]:
    """What feeds the twin, with the instant of the last look."""
    rows = about["senses"] if about else []
    return [{**row, "last_run": instant(row.get("last_run"))} for row in rows]


def grants(about: About | None) -> list[dict[str, Any]]:
    """Who may read what until when: the public part."""
    rows = about["grants"] if about else []
    return [{**row, "until": instant(row["until"]), "percent_left": percent_left(row)} for row in rows]


def percent_left(grant: dict[str, Any]) -> int:
    """How much of the grant's window is still to come, 0 to 100."""
    until, since = instant(grant.get("until")), instant(grant.get("since"))
    if until is None or since is None or until <= since:
        return 0
    left = (until - timezone.now()) / (until - since)
    return max(0, min(100, round(left * 100)))


def keeper(twin: Twin) -> str:
    """Who acts for the twin now, in words."""
    if twin.state == Twin.State.VIRTUAL:
        return "the curator, from public sources, until its entity claims it"
    owner = twin.memberships.filter(role="owner").select_related("user").first()
    return f"its owner, {owner.user.name}" if owner else "its owner"


def facts(twin: Twin, about: About | None) -> list[tuple[str, str]]:
    """What is true of the twin's sovereignty now, from its placement and from what it says itself."""
    if about is None:
        return [("Instance", "does not answer"), ("Placement", f"{twin.tier} tier, {twin.region}")]
    return [
        ("Instance", f"own process, own directory, {twin.tier} tier"),
        ("Region", twin.region),
        ("Kept by", keeper(twin)),
        ("Key", f"own key {about['kid']}"),
        ("Audit", f"own commitlog, entry {about['seq']:,}"),
        ("Inherited", "lineage only: no admins, no policies, no grants"),
    ]


def instant(text: str | None) -> datetime | None:
    """An RFC 3339 instant of the protocol as a datetime."""
    return parse_datetime(text) if text else None
