"""The demonstration's mesh as plain data: who is there, below whom, and what each twin offers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from twins.demo.feed import path_of
from twins.demo.labelers import Labeler, labelers
from twins.demo.organisations import organisations

Kind = Literal["root", "organisation", "registry", "manufacturer"]


@dataclass(frozen=True, kw_only=True)
class MeshSlice:
    """A slice to declare, with the objects to put into it."""

    name: str
    title: str
    kind: str
    listed: bool = True
    sensitivity: str = "internal"
    objects: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, kw_only=True)
class MeshTwin:
    """One twin. `parent` is a slug; `feed` is the path of its document in the demo feed, if it has a sense.

    A claimed twin belongs to a demo account, the others are virtual.
    """

    slug: str
    name: str
    summary: str
    kind: Kind
    parent: str | None
    claimed: bool = False
    keep_awake: bool = False
    place: str = ""
    slices: tuple[MeshSlice, ...] = field(default=())
    feed: str | None = None


_PARTNERS = (
    ("eca", "ECA", "puma", "Puma", ()),
    (
        "csp",
        "CSP",
        "microsoft",
        "Microsoft",
        (
            MeshSlice(name="catalogue", title="Catalogue", kind="products"),
            MeshSlice(name="orders", title="Orders", kind="orders"),
        ),
    ),
    ("goodforus", "GOODFORUS", "shell", "Shell", ()),
    ("sti", "STI", "commerz", "Commerz", ()),
)


def mesh() -> tuple[MeshTwin, ...]:
    """Every twin of the demonstration, each after its parent."""
    return (*_platform(), *_partners(), _FDA, *(_labeler(labeler) for labeler in labelers()))


def _platform() -> Iterator[MeshTwin]:
    yield MeshTwin(
        slug="forus",
        name="FORUS Digital",
        summary="FORUS Digital is the root of this mesh.",
        kind="root",
        claimed=True,
        parent=None,
    )
    yield MeshTwin(
        slug="ioboxx",
        name="IOBOXX",
        summary="IOBOXX is the branch of FORUS Digital that holds the partners and the registries.",
        kind="organisation",
        claimed=True,
        parent="forus",
    )


def _partners() -> Iterator[MeshTwin]:
    for slug, name, group, title, slices in _PARTNERS:
        yield MeshTwin(
            slug=slug,
            name=name,
            summary=f"{name} is a partner of IOBOXX; its registry lists LEI records of firms named {title}.",
            kind="organisation",
            parent="ioboxx",
            claimed=True,
            keep_awake=True,
            slices=(*slices, _registry(group)),
        )


def _registry(group: str) -> MeshSlice:
    records = [msgspec.to_builtins(one) for one in organisations() if one.group == group]
    objects = tuple({"id": record.pop("lei"), **record} for record in records)
    return MeshSlice(name="registry", title="Registry", kind="organisations", objects=objects)


_FDA = MeshTwin(
    slug="fda",
    name="FDA",
    summary="The labelers in the drug listings of the US Food and Drug Administration, from its public data.",
    kind="registry",
    parent="ioboxx",
)

_LABELER_SLICES = (
    MeshSlice(name="catalogue", title="Catalogue", kind="products"),
    MeshSlice(name="recalls", title="Recalls", kind="recalls"),
    MeshSlice(name="margins", title="Margins", kind="prices", listed=False, sensitivity="confidential"),
)


def _labeler(labeler: Labeler) -> MeshTwin:
    codes = ", ".join(labeler.labeler_codes)
    return MeshTwin(
        slug=labeler.slug,
        name=labeler.name,
        summary=f"Labeler of medicines in the FDA's NDC Directory, labeler code {codes}.",
        kind="manufacturer",
        parent="fda",
        place=", ".join(part for part in (labeler.city, labeler.state, labeler.country) if part),
        slices=_LABELER_SLICES,
        feed=path_of(labeler.slug),
    )
