"""Windows: conditions that only compare one time with others, without an expression language.

`current_time >= not_before && current_time < expires_at` needs no evaluator: the tuple's own bounds give the
instants between which it holds, and asking again is two comparisons.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

_COMPARISON = re.compile(r"\s*\(?\s*(\w+)\s*(<=|>=|<|>)\s*(\w+)\s*\)?\s*")
_TURNED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
FIRST, LAST = -(2**63), 2**63


class Bound(NamedTuple):
    """One comparison of the moment with a parameter: it holds from there on, or until there."""

    parameter: str
    is_begin: bool
    shift: int


class Window(NamedTuple):
    """The parameter that is compared, and with what."""

    moment: str
    bounds: tuple[Bound, ...]

    def span(self, instants: Mapping[str, int]) -> tuple[int, int]:
        """The first instant at which it holds, and the first after that at which it does not."""
        begin, end = FIRST, LAST
        for parameter, is_begin, shift in self.bounds:
            if is_begin:
                begin = max(begin, instants[parameter] + shift)
            else:
                end = min(end, instants[parameter] + shift)
        return begin, end


def window_of(expression: str, parameters: Mapping[str, str]) -> Window | None:
    """The window that an expression says, or None when it says more.

    Args:
        parameters: the declared types' names; all must be compared.
    """
    if not parameters or set(parameters.values()) != {"TIMESTAMP"}:
        return None
    found = [_COMPARISON.fullmatch(part) for part in expression.split("&&")]
    sides = [(one[1], one[2], one[3]) for one in found if one is not None]
    if len(sides) < len(found):
        return None
    for moment in parameters:
        others = {name for left, _, right in sides for name in (left, right)} - {moment}
        if others == set(parameters) - {moment} and all((a == moment) != (b == moment) for a, _, b in sides):
            return Window(moment, tuple(_bound(moment, *side) for side in sides))
    return None


def _bound(moment: str, left: str, sign: str, right: str) -> Bound:
    if left != moment:
        left, sign, right = right, _TURNED[sign], left
    return Bound(right, sign in (">", ">="), 1 if sign in (">", "<=") else 0)
