"""Streams: a list of objects, one line of JSON each."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from twins.runtime.authz.errors import Refused

_encode = msgspec.json.Encoder().encode


def lines(objects: Iterator[str]) -> tuple[int, bytes]:
    """The status and the lines; an error is the last line, and tells no more than gRPC's code."""
    found = []
    status = 200
    try:
        for object_ in objects:
            found.append(_encode({"result": {"object": object_}}))
    except Refused as refused:
        status = 200 if found else refused.status
        found.append(_encode({"error": {"code": refused.grpc, "message": str(refused), "details": []}}))
    return status, b"".join(line + b"\n" for line in found)
