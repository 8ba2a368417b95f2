"""Documents: submitted by one participant, addressed to another, seen by these two alone."""

from __future__ import annotations

import hashlib
from typing import Any

from ledger.module import types
from ledger.module.participants import TABLE as PARTICIPANTS
from twins.runtime import codec
from twins.runtime.module import Context, reducer
from twins.runtime.modules.twin.types import Body, TwinId
from twins.runtime.problems import invalid
from twins.runtime.slices import table_of

SLICE = "documents"


def summary(args: dict[str, Any]) -> dict[str, Any]:
    """The arguments as the record keeps them. The ledger's keepers read the log, so the body is only there as
    the SHA-256 of its canonical JSON, by which its parties can prove what was sent; a type that there is not
    could be any text, and is left empty.
    """
    known = args["type"] if args["type"] in types.TYPES else ""
    return {"type": known, "to": args["to"], "sha256": hashlib.sha256(codec.encode(args["body"])).hexdigest()}


@reducer(relation="can_submit", recorded=summary)
def submit_document(ctx: Context, type: str, to: TwinId, body: Body) -> dict[str, str]:  # noqa: A002 -- its name on the wire
    """Take a document in the name of the twin that signed the call. The sender is never an argument.

    Raises:
        Problem: the type is unknown, the recipient takes no part, or the body does not fit its type.
    """
    recipient, sender = ctx.tx.get(PARTICIPANTS, to), ctx.tx.get(PARTICIPANTS, ctx.caller.id)
    if recipient is None:
        raise invalid(f"`to`: {to} takes no part in this ledger.")
    if to == ctx.caller.id:
        raise invalid("`to`: expected another twin than the sender.")
    checked = types.check(type, body)
    number = ctx.new_ulid()
    parties = {"from": ctx.caller.id, "from_name": sender["name"], "to": to, "to_name": recipient["name"]}
    document = {"type": type, **parties, "at": ctx.now, "state": "accepted", "content": checked}
    ctx.tx.put(table_of(SLICE), number, {"body": document, "seq": ctx.seq})
    return {"id": number, "state": "accepted"}


def visible(caller: str, slice_: str, found: dict[str, Any]) -> bool:
    """Whether the document is the caller's own: sent by it, or addressed to it."""
    return caller in (found["body"].get("from"), found["body"].get("to"))
