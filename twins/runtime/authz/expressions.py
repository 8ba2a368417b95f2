"""Expressions: a condition in CEL (cel.dev), checked against its parameters' types and evaluated.

An IP address is typed as its own type, as OpenFGA has it, and evaluated as text in its one form.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from cel_expr_python import cel

from twins.runtime.authz.parameters import Parameter, address

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PREFIX = re.compile(r"[^/%]+/\d{1,3}")
_TYPES = {
    "ANY": cel.Type.DYN,
    "BOOL": cel.Type.BOOL,
    "STRING": cel.Type.STRING,
    "INT": cel.Type.INT,
    "UINT": cel.Type.UINT,
    "DOUBLE": cel.Type.DOUBLE,
    "DURATION": cel.Type.DURATION,
    "TIMESTAMP": cel.Type.TIMESTAMP,
}
_ADDRESS = cel.Type.AbstractType("IPAddress")


class ExpressionRefused(Exception):
    """The expression is not CEL, does not fit its parameters' types, or gives no boolean."""


class ExpressionFailed(Exception):
    """The expression has no value for these parameters."""


class Expression:
    """A compiled expression.

    Raises:
        ExpressionRefused: it cannot be compiled.
    """

    def __init__(self, text: str, parameters: Mapping[str, Parameter]) -> None:
        self._parameters = parameters
        try:
            typed = _environment(parameters, _ADDRESS).compile(text)
            self._program = _environment(parameters, cel.Type.STRING).compile(text)
        except RuntimeError as error:
            raise ExpressionRefused(str(error)) from None
        if typed.return_type() != cel.Type.BOOL:
            kind = typed.return_type().name()
            raise ExpressionRefused(f"expected a bool condition expression output, but got '{kind.lower()}'")

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether it is true; `values` are cast and complete.

        Raises:
            ExpressionFailed: it has no value, such as for a key that a map lacks.
        """
        data = {name: _given(one, values[name]) for name, one in self._parameters.items()}
        try:
            found = self._program.eval(data=data)
        except RuntimeError as error:
            raise ExpressionFailed(str(error)) from None
        value = found.value()
        if not isinstance(value, bool):
            raise ExpressionFailed(str(value))
        return value


def _environment(parameters: Mapping[str, Parameter], address_type: Any) -> Any:
    variables = {name: _type(one, address_type) for name, one in parameters.items()}
    return cel.NewEnv(variables=variables, functions=_functions(address_type is _ADDRESS))


@lru_cache(maxsize=2)
def _functions(typed: bool) -> tuple[Any, ...]:
    kind = _ADDRESS if typed else cel.Type.STRING
    texts = [cel.Type.STRING]
    return (
        cel.FunctionDecl(
            "in_cidr",
            [cel.Overload("ipaddr_in_cidr", cel.Type.BOOL, [kind, cel.Type.STRING], True, _in_network)],
        ),
        cel.FunctionDecl("ipaddress", [cel.Overload("string_to_ipaddress", kind, texts, False, address)]),
    )


def _type(parameter: Parameter, address_type: Any) -> Any:
    if parameter.name == "IPADDRESS":
        return address_type
    if parameter.item is None:
        return _TYPES[parameter.name]
    item = _type(parameter.item, address_type)
    return cel.Type.List(item) if parameter.name == "LIST" else cel.Type.Map(cel.Type.STRING, item)


def _given(parameter: Parameter, value: Any) -> Any:
    """A cast value as the library takes it."""
    if parameter.name == "TIMESTAMP":
        return _EPOCH + timedelta(microseconds=value // 1000)
    if parameter.name == "DURATION":
        return timedelta(microseconds=value // 1000)
    if parameter.item is None:
        return value
    if parameter.name == "LIST":
        return [_given(parameter.item, member) for member in value]
    return {name: _given(parameter.item, member) for name, member in value.items()}


def _in_network(text: str, prefix: str) -> bool:
    if _PREFIX.fullmatch(prefix) is None:
        raise ValueError(f"'{prefix}' is a malformed CIDR string")
    network = ipaddress.ip_network(prefix, strict=False)
    mapped = network.network_address.ipv4_mapped if isinstance(network, ipaddress.IPv6Network) else None
    if mapped is not None and network.prefixlen >= 96:
        network = ipaddress.ip_network(f"{mapped}/{network.prefixlen - 96}", strict=False)
    return ipaddress.ip_address(text) in network
