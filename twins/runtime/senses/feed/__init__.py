"""Feed: a sense that fetches one JSON document and takes lists of objects from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from twins.runtime import codec
from twins.runtime.outbound import OutboundError, fetch
from twins.runtime.senses.kind import SenseFailed, Supplied


class Feed:
    """The target names, for each slice, the member of the document that holds its list."""

    runs = True

    def check(self, url: str, target: Mapping[str, str]) -> None:
        """A feed needs a web address and at least one slice to fill."""
        try:
            scheme = urlsplit(url).scheme
        except ValueError:
            raise SenseFailed("`url` is not a URL.") from None
        if scheme not in ("http", "https"):
            raise SenseFailed("`url` must be an address that begins with https:// or http://.")
        if not target:
            raise SenseFailed("`target` must name at least one slice.")

    def run(self, url: str, target: Mapping[str, str], allow: Sequence[str]) -> Supplied:
        """Fetch the document; each object's `id` is its id, the other members are its body."""
        try:
            response = fetch(url, allow=allow)
            document = codec.parse_foreign(response.body) if response.status == 200 else None
        except (OutboundError, ValueError) as error:
            raise SenseFailed(str(error)) from None
        if response.status != 200:
            raise SenseFailed(f"the feed answered with status {response.status}")
        if not isinstance(document, dict):
            raise SenseFailed("the document is not a JSON object")
        return {slice_: _objects(document, member) for slice_, member in target.items()}


def _objects(document: dict[str, Any], member: str) -> list[dict[str, Any]]:
    rows = document.get(member)
    if not isinstance(rows, list):
        raise SenseFailed(f"the document has no list {member!r}")
    for row in rows:
        if not isinstance(row, dict) or not isinstance(row.get("id"), str):
            raise SenseFailed(f"an entry of {member!r} has no text `id`")
    return [{"id": row["id"], "body": {k: v for k, v in row.items() if k != "id"}} for row in rows]
