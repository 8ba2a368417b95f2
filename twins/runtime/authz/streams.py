"""Streams: a list of objects, one line of JSON each."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from twins.runtime.authz.errors import Refused

_encode = msgspec.json.Encoder().encode


def lines(objects: Iterator[str]) -> tuple[int, bytes]:
    """The status and the lines; an error is the last line, and tells no more than gRPC's code."""
    found: list[str] = []
    error, status = b"", 200
    try:
        found.extend(objects)
    except Refused as refused:
        status = 200 if found else refused.status
        told = {"code": refused.grpc, "message": str(refused), "details": []}
        error = _encode({"error": told}) + b"\n"
    return status, b"".join(_encode({"result": {"object": one}}) + b"\n" for one in found) + error
