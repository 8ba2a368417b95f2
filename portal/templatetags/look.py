"""How times, states and grants are written on every page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django import template
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()

SHAPES = {
    "virtual": "virtual asleep declined withdrawn lapsed expired revoked",
    "wait": "provisioning open review more handover waiting running requested",
    "live": "live claimed passed active done awake accepted",
    "bad": "failed denied",
}
SHAPE_OF = {state: shape for shape, states in SHAPES.items() for state in states.split()}


@register.filter
def shape(state: object) -> str:
    """Name the mark of a state: a dashed ring, a half disc, a full disc or a diamond."""
    return SHAPE_OF.get(str(state).lower(), "virtual")


@register.filter
def progress(state: object) -> str:
    """Name the mark of a step of an operation, whose state is done, now, wait or bad."""
    return {"done": "live", "now": "wait", "bad": "bad"}.get(str(state), "virtual")


@register.filter
def sense_shape(sense: Mapping[str, Any]) -> str:
    """Name the mark of a sense: not run yet, ran, or failed."""
    if not sense.get("last_run"):
        return "virtual"
    return "bad" if str(sense.get("last_result") or "").startswith("failed") else "live"


@register.filter
def seconds(count: int) -> str:
    """Write a period given in seconds: 5400 is "90 min"."""
    if count % 3600 == 0:
        return f"{count // 3600} h"
    return f"{count // 60} min" if count % 60 == 0 else f"{count} s"


@register.filter
def pairs(value: Mapping[str, Any] | Iterable[tuple[str, Any]] | None) -> list[tuple[str, Any]]:
    """Give the entries of a mapping, or of a list of pairs, as a list of pairs."""
    if value is None:
        return []
    return list(value.items()) if isinstance(value, Mapping) else list(value)


@register.filter
def words(name: object) -> str:
    """Turn a field's name into words: `log_bytes` is written "Log bytes"."""
    text = str(name).replace("_", " ").replace("-", " ").strip()
    return text[:1].upper() + text[1:]


@register.filter
def stop(name: object) -> str:
    """Close a sentence with a name: "Acme." and "Acme Inc." both end in one full stop."""
    text = str(name)
    return text if text.endswith(".") else f"{text}."


@register.simple_tag
def ago(value: datetime | str | None, never: str = "never") -> SafeString | str:
    """Write an instant by its distance from now: "4 min ago", and as a day when it is older than a day."""
    instant = _instant(value)
    if instant is None:
        return never
    age = timezone.now() - instant
    if age < timedelta(0) or age >= timedelta(days=1):
        return _time(instant, _day(instant))
    if age < timedelta(minutes=1):
        return _time(instant, "just now")
    minutes = int(age.total_seconds() // 60)
    return _time(instant, f"{minutes} min ago" if minutes < 60 else f"{minutes // 60} h ago")


@register.simple_tag
def left(value: datetime | str | None) -> SafeString | str:
    """Write how much time an instant still leaves: "2 d left", "3 h left", "ended"."""
    instant = _instant(value)
    if instant is None:
        return ""
    rest = instant - timezone.now()
    if rest <= timedelta(0):
        return _time(instant, "ended")
    if rest >= timedelta(days=1):
        return _time(instant, f"{rest.days} d left")
    minutes = int(rest.total_seconds() // 60)
    return _time(instant, f"{minutes} min left" if minutes < 60 else f"{minutes // 60} h left")


@register.simple_tag
def day(value: datetime | str | None) -> SafeString | str:
    """Write the day of an instant in UTC: "2 Dec 2026"."""
    instant = _instant(value)
    return "" if instant is None else _time(instant, date_format(instant, "j M Y"))


@register.simple_tag
def stamp(value: datetime | str | None) -> SafeString | str:
    """Write an instant to the second in UTC: "2 Dec 2026 14:02:11 UTC"."""
    instant = _instant(value)
    return "" if instant is None else _time(instant, date_format(instant, "j M Y H:i:s") + " UTC")


@register.simple_tag
def moment(value: datetime | str | None) -> SafeString | str:
    """Write an instant as short as it stays clear: "14:02 UTC" today, "2 Dec 14:02 UTC" else."""
    instant = _instant(value)
    if instant is None:
        return ""
    clock = date_format(instant, "H:i") + " UTC"
    return _time(instant, clock if instant.date() == timezone.now().date() else f"{_day(instant)} {clock}")


@register.simple_tag
def percent_left(start: datetime | None, end: datetime | None) -> int:
    """Say how much of a window is still to come, 0 to 100."""
    if start is None or end is None or end <= start:
        return 0
    return max(0, min(100, round((end - timezone.now()) / (end - start) * 100)))


@register.simple_tag
def grant_sentence(reader: object, slice_name: object, target: object, until: datetime | str) -> SafeString:
    """Say in one sentence what a grant allows; the same sentence on every page."""
    return format_html(
        "<b>{}</b> may <b>read {}</b> of {} until <b>{}</b>.", reader, slice_name, target, day(until)
    )


def _instant(value: datetime | str | None) -> datetime | None:
    if isinstance(value, str):
        value = parse_datetime(value)
    if value is None:
        return None
    return timezone.make_aware(value, timezone.get_default_timezone()) if timezone.is_naive(value) else value


def _day(instant: datetime) -> str:
    return date_format(instant, "j M" if instant.year == timezone.now().year else "j M Y")


def _time(instant: datetime, text: str) -> SafeString:
    exact = date_format(instant, "j M Y H:i:s") + " UTC"
    return format_html('<time datetime="{}" title="{}">{}</time>', instant.isoformat(), exact, text)
