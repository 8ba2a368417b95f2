"""`GET /v1/live`: one subscription as server-sent events (WHATWG HTML, section 9.2)."""

from __future__ import annotations

import msgspec

from twins.runtime import codec
from twins.runtime.granted import SUBSCRIBE
from twins.runtime.outbox import Message
from twins.runtime.problems import Problem
from twins.runtime.server import live, reads
from twins.runtime.server.keys import caller_of, twin_of
from twins.runtime.server.wire import Answer, Request, Socket, Stream

EVENTS = "text/event-stream"
BEAT = b":\n\n"
ID = "events"
# Only after these does the client have everything up to their seq; a reset leaves it with nothing.
WHOLE = frozenset({"applied", "tx"})
AFTER = {"reset": b"id\n"}


class Events(live.Live):
    """A live connection that only listens; its subscription begins when the stream does."""

    wish: live.Subscribe

    def opened(self, socket: Socket) -> None:
        super().opened(socket)
        try:
            self.follow(self.wish)
        except Problem as problem:
            self.close(live.BAD_MESSAGE, problem.detail)

    def send(self, message: Message) -> None:
        super().send(message)
        if message.kind == "problem":
            self.close(live.BAD_MESSAGE, "The subscription cannot go on.")

    def written(self, message: Message) -> bytes:
        place = b"id: %d\n" % message.seq if message.kind in WHOLE else AFTER.get(message.kind, b"")
        return b"event: %b\n%bdata: %b\n\n" % (message.kind.encode(), place, message.frame)

    def farewell(self, socket: Socket, code: int, reason: str) -> None:
        told = codec.encode({"type": "closed", "code": code, "reason": reason})
        socket.send(b"event: closed\ndata: %b\n\n" % told)
        socket.close(code, reason)


async def events(request: Request) -> Answer | Stream:
    """The stream, for whoever accepts one."""
    twin, caller = twin_of(request), caller_of(request)
    if EVENTS not in request.headers.get("accept", ""):
        text = "Upgrade to WebSocket, or accept text/event-stream."
        raise Problem(
            426, "upgrade-required", text, headers={"Upgrade": "websocket", "Connection": "Upgrade"}
        )
    query = request.query
    content = {"type": "subscribe", "id": ID, "slice": query.get("slice", "")}
    if "epoch" in query:
        content["epoch"] = query["epoch"]
    since = request.headers.get("last-event-id") or query.get("from")
    if since is not None:
        content["from"] = since
    wish = live.wish_of(content)
    if "where" in query:
        wish.where = msgspec.Raw(query["where"].encode())
    if "fields" in query:
        wish.fields = query["fields"].split(",")[: live.MOST_FIELDS]
    reads.require(twin, caller, "subscribe", {"slice": wish.slice}, SUBSCRIBE)
    twin.sights.of(caller, wish.slice).filter(live.where_of(wish))
    stream = Events(twin, caller)
    stream.wish = wish
    return Stream(stream, EVENTS, BEAT)
