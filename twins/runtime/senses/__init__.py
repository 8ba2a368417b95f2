"""Senses: what a twin perceives of the world, one folder for each kind."""

from __future__ import annotations

from twins.runtime.senses.feed import Feed
from twins.runtime.senses.kind import Kind
from twins.runtime.senses.manual import Manual

KINDS: dict[str, Kind] = {"feed": Feed(), "manual": Manual()}
