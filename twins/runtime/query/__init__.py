"""Queries: which objects of a slice, in which order. Conditions are a JSON object:

- `{"status": "open"}`: equality; text, whole numbers, booleans and null
- `{"amount": {"gte": "10", "lt": "20"}}`: lt, lte, gt, gte
- `{"status": {"in": ["open", "late"]}}`: membership
- `{"name": {"prefix": "Ac"}}`: the beginning of a text
- `{"title": {"match": "heart valve"}}`: all words; the path needs a text index
- `{"price.currency": {"exists": true}}`: a dotted path names a member within a member
- `{"any": [...]}`, `{"all": [...]}`, `{"not": {...}}`: combinations; several members must all hold
"""

from __future__ import annotations

from twins.runtime.query.aggregates import aggregate
from twins.runtime.query.filter import Filter, both, compile, parse  # noqa: A004 - as in `re`
from twins.runtime.query.history import as_of
from twins.runtime.query.projection import Projection
from twins.runtime.query.queries import Page, Queries

__all__ = ["Filter", "Page", "Projection", "Queries", "aggregate", "as_of", "both", "compile", "parse"]
