"""The labelers of the demonstration: an extract of public FDA data (see data/PROVENANCE.md)."""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path

import msgspec

DATA = Path(__file__).parent / "data" / "labelers.jsonl.gz"


class Product(msgspec.Struct, frozen=True, kw_only=True):
    """One product of the NDC Directory; `ndc` is labeler code and product code. Absent facts are empty."""

    ndc: str
    name: str
    generic: str
    form: str
    route: str
    strength: str
    application: str
    sponsor: str


class Recall(msgspec.Struct, frozen=True, kw_only=True):
    """One recalled product; `event` groups the products of one recall, `date` is its classification's."""

    id: str
    date: str
    classification: str
    product: str
    reason: str
    status: str
    event: str


class Labeler(msgspec.Struct, frozen=True, kw_only=True):
    """A firm that puts its name on a medicine's label.

    `recalls` come from a match of the firm's normalised name, which is no proof of identity. The place is the
    recalling firm's and empty where no recall matched.
    """

    slug: str
    name: str
    labeler_codes: list[str]
    city: str
    state: str
    country: str
    products: list[Product]
    recalls: list[Recall]


@cache
def labelers() -> tuple[Labeler, ...]:
    """Every labeler of the extract, ordered by slug."""
    lines = gzip.decompress(DATA.read_bytes()).splitlines()
    return tuple(msgspec.json.decode(line, type=Labeler) for line in lines)
