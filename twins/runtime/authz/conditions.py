"""Conditions: what a model demands beside a tuple, and how it is asked.

The tuple's context wins over the request's, so a request cannot move a window; every declared parameter must
be there. A window is compared, everything else is evaluated as CEL.
"""

from __future__ import annotations

from collections.abc import Mapping
from sys import intern
from typing import Any

import msgspec

from twins.runtime.authz.errors import ConditionFailed
from twins.runtime.authz.names import has_control
from twins.runtime.authz.parameters import instant, parameter
from twins.runtime.authz.window import Window, window_of

Context = Mapping[str, Any]
_encode = msgspec.json.Encoder(order="deterministic").encode
_decode = msgspec.json.Decoder().decode


class Conditioned:
    """A tuple's condition; what its bounds say is kept for the condition that read them."""

    __slots__ = ("_content", "begin", "end", "name", "read_by")

    def __init__(self, name: str, context: Context) -> None:
        self.name = intern(name)
        self._content = _encode(context)
        self.read_by: Condition | None = None
        self.begin: int | None = None
        self.end = 0

    @property
    def context(self) -> dict[str, Any]:
        """A fresh copy; it is kept encoded, in a fraction of the room."""
        found: dict[str, Any] = _decode(self._content)
        return found

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "context": self.context}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Conditioned) and (self.name, self._content) == (other.name, other._content)

    __hash__ = None  # type: ignore[assignment]


class Asked:
    """The context of one request; `moments` holds its times once they were read."""

    __slots__ = ("context", "moments")

    def __init__(self, context: Context, moments: dict[str, int] | None = None) -> None:
        self.context = context
        self.moments = {} if moments is None else moments


class Condition:
    """A condition of a model.

    Args:
        name: its name.
        declared: the types of its parameters, as the model has them.
        expression: CEL.

    Raises:
        ValueError: a parameter's type is unknown, or the expression does not fit.
    """

    def __init__(self, name: str, declared: Mapping[str, Mapping[str, Any]], expression: str) -> None:
        self.name = name
        self.parameters = {key: parameter(type_) for key, type_ in declared.items()}
        types = {key: one.name for key, one in self.parameters.items()}
        self.window: Window | None = window_of(expression, types)
        self._expression = None
        if self.window is None:
            # A library of 40 MB, which most models do not need.
            from twins.runtime.authz.expressions import Expression, ExpressionRefused

            try:
                self._expression = Expression(expression, self.parameters)
            except ExpressionRefused as error:
                raise ValueError(f"failed to compile expression on condition '{name}' - {error}") from None

    def takes(self, own: Conditioned) -> bool:
        """Whether a tuple with this context counts; what it says is kept for `holds`."""
        if own.read_by is self:
            return True
        context = own.context
        try:
            self.check_context(context)
        except ValueError:
            return False
        own.begin = None
        own.read_by = self
        window = self.window
        if window is not None and {bound.parameter for bound in window.bounds} == context.keys():
            instants = {name: instant(text) for name, text in context.items()}
            own.begin, own.end = window.span(instants)
        return True

    def check_context(self, context: Context) -> None:
        """Return when a tuple may have this context, which need not be complete.

        Raises:
            ValueError: a parameter that is not declared, or a value of another type.
        """
        check_text(context)
        if context and not self.parameters:
            raise ValueError(f"parameter type error on condition '{self.name}' - no parameters defined")
        self._cast(context)
        for key in context:
            if key not in self.parameters:
                raise ValueError(f"found invalid context parameter: {key}")

    def holds(self, key: str, own: Conditioned, asked: Asked) -> bool:
        """Whether the condition of the tuple `key`, which `takes` took, holds.

        Raises:
            ConditionFailed: a parameter is missing or of another type, or the expression has no value.
        """
        window = self.window
        if window is not None and own.begin is not None:
            moment = asked.moments.get(window.moment)
            if moment is not None:
                return own.begin <= moment < own.end
        return self._evaluate(key, own, asked)

    def _evaluate(self, key: str, own: Conditioned, asked: Asked) -> bool:
        mine = own.context
        given = {**asked.context, **mine}
        try:
            values = {**asked.moments, **self._cast(given)}
        except ValueError as error:
            raise ConditionFailed(str(error)) from None
        missing = sorted(name for name in self.parameters if name not in values)
        if missing:
            raise ConditionFailed(
                f"'{self.name}' - tuple '{key}' is missing context parameters '[{' '.join(missing)}]'"
            )
        if self.window is not None:
            begin, end = self.window.span(values)
            moment: int = values[self.window.moment]
            if self.window.moment not in mine:
                asked.moments[self.window.moment] = moment
            return begin <= moment < end
        assert self._expression is not None
        from twins.runtime.authz.expressions import ExpressionFailed

        try:
            return self._expression.holds(values)
        except ExpressionFailed as error:
            raise ConditionFailed(
                f"'{self.name}' - failed to evaluate condition expression: {error}"
            ) from None

    def _cast(self, context: Context) -> dict[str, Any]:
        values = {}
        for key, one in self.parameters.items():
            if key in context:
                try:
                    values[key] = one.cast(context[key])
                except ValueError as error:
                    raise ValueError(
                        f"parameter type error on condition '{self.name}' - "
                        f"failed to convert context parameter '{key}': {error}"
                    ) from None
        return values


def check_text(value: Any) -> None:
    """Return when no key and no text of a context has control characters.

    Raises:
        ValueError: one has.
    """
    if isinstance(value, str):
        if has_control(value):
            raise ValueError(f"context value {value!r} contains forbidden characters")
    elif isinstance(value, Mapping):
        for name, member in value.items():
            if has_control(name):
                raise ValueError(f"context key {name!r} contains forbidden characters")
            check_text(member)
    elif isinstance(value, list):
        for member in value:
            check_text(member)
