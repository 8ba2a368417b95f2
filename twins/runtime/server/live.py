"""`WS /v1/live`: subscriptions and calls over one WebSocket."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Annotated, Any

import msgspec

from twins.runtime import codec, twin
from twins.runtime.callers import Caller
from twins.runtime.granted import SUBSCRIBE
from twins.runtime.outbox import UNLIMITED, Message, Subscription, Wish
from twins.runtime.problems import Problem, invalid
from twins.runtime.server import reads
from twins.runtime.server.calls import NAME, told
from twins.runtime.server.keys import caller_of, twin_of
from twins.runtime.server.wire import Request, Socket
from twins.runtime.twin import Twin

BAD_MESSAGE, TOKEN_ENDED, MOVED, TOO_MUCH, GOING_AWAY, BROKEN = 4400, 4401, 4410, 4429, 1001, 1011
MOST_SUBSCRIPTIONS, MOST_CALLS, MOST_FIELDS = 50, 10_000, 50
# Fewer characters than the 123 bytes of a close frame (RFC 6455, section 5.5).
LONGEST_REASON = 110
LIMITS = {"subscriptions": MOST_SUBSCRIPTIONS, "calls": MOST_CALLS, "message_bytes": 256 * 1024}

logger = logging.getLogger(__name__)
Id = Annotated[str, msgspec.Meta(max_length=100)]
Name = Annotated[str, msgspec.Meta(max_length=200)]
Count = Annotated[int, msgspec.Meta(ge=0, le=10**6)]
Seq = Annotated[int, msgspec.Meta(ge=0, le=10**18)]
Fields = Annotated[list[Name], msgspec.Meta(max_length=MOST_FIELDS)]


class _Wish(msgspec.Struct, tag_field="type", forbid_unknown_fields=True):
    """What a client may say."""


class Subscribe(_Wish, tag="subscribe", rename={"since": "from"}):
    id: Id
    slice: Annotated[str, msgspec.Meta(max_length=100)]
    where: msgspec.Raw = msgspec.Raw()
    fields: Fields | None = None
    since: Seq | None = None
    epoch: Seq | None = None
    credits: Count | None = None


class Unsubscribe(_Wish, tag="unsubscribe"):
    id: Id


class Credit(_Wish, tag="credit"):
    id: Id
    n: Count


class Call(_Wish, tag="call"):
    id: Id
    reducer: Annotated[str, msgspec.Meta(pattern=NAME.pattern)]
    args: msgspec.Raw
    key: Name = ""


_decoder: msgspec.json.Decoder[Subscribe | Unsubscribe | Credit | Call] = msgspec.json.Decoder(
    Subscribe | Unsubscribe | Credit | Call
)


class Live:
    """One connection: what it asks for, and the frames that it gets."""

    def __init__(self, twin: Twin, caller: Caller) -> None:
        self.caller = caller
        self.subscriptions: dict[str, Subscription] = {}
        self.forget: Callable[[Live], None] = lambda _: None
        self._twin = twin
        self._socket: Socket | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._done: list[bytes] = []
        self._calls = 0

    @property
    def full(self) -> bool:
        return self._socket is None or self._socket.full

    def opened(self, socket: Socket) -> None:
        self._socket = socket
        left = min(max(self.caller.expires - time.time(), 0.0), 3600.0)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(left, self.close, TOKEN_ENDED, "The token ended.")
        seq = self._twin.log.durable
        whose = {"twin": self._twin.id, "epoch": self._twin.log.epoch}
        about = {"type": "hello", **whose, "seq": seq, "limits": LIMITS}
        self.send(Message("hello", seq, codec.encode(about)))

    def send(self, message: Message) -> None:
        if self._socket is not None:
            self._socket.send(self.written(message))

    def written(self, message: Message) -> bytes:
        """The message as it goes over the wire."""
        return message.frame

    def close(self, code: int, reason: str) -> None:
        """End the connection; the first reason counts."""
        socket, self._socket = self._socket, None
        if socket is None:
            return
        self._end()
        self.farewell(socket, code, reason)

    def farewell(self, socket: Socket, code: int, reason: str) -> None:
        socket.close(code, reason)

    def closed(self) -> None:
        self._socket = None
        self._end()

    def _end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self.forget(self)
        _note_end(self._twin, self.caller, self._twin.hub.unsubscribe(self))

    def drained(self) -> None:
        self._twin.hub.drained(self)

    def stalled(self) -> None:
        self.close(TOO_MUCH, "Too slow: come back and subscribe again.")

    def received(self, message: bytes, is_text: bool) -> None:
        if self._socket is None:
            return
        if not is_text:
            self.close(BAD_MESSAGE, "Send text frames.")
            return
        try:
            wish = _decoder.decode(message)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            self.close(BAD_MESSAGE, f"Not a message of the protocol: {error}"[:LONGEST_REASON])
            return
        try:
            self._obey(wish)
        except Exception:
            logger.exception("a live message failed")
            self.close(BROKEN, "The twin failed to do this; its log says more.")

    def _obey(self, wish: Subscribe | Unsubscribe | Credit | Call) -> None:
        if isinstance(wish, Call):
            self._call(wish)
        elif isinstance(wish, Subscribe):
            self._subscribe(wish)
        elif isinstance(wish, Unsubscribe):
            _note_end(self._twin, self.caller, self._twin.hub.unsubscribe(self, wish.id))
        elif wish.id in self.subscriptions:
            self._twin.hub.credit(self.subscriptions[wish.id], wish.n)

    def _subscribe(self, wish: Subscribe) -> None:
        if wish.id in self.subscriptions:
            self.close(BAD_MESSAGE, "This id is in use.")
        elif len(self.subscriptions) >= MOST_SUBSCRIPTIONS:
            self.close(TOO_MUCH, "Too many subscriptions.")
        else:
            try:
                self.follow(wish)
            except Problem as problem:
                told = {"type": "problem", "id": wish.id, "problem": problem.to_json()}
                self.send(Message("problem", 0, codec.encode(told)))

    def follow(self, wish: Subscribe) -> None:
        """Begin a subscription.

        Raises:
            Problem: no right to the slice, or a filter that does not fit.
        """
        twin, args = self._twin, {"slice": wish.slice}
        sight = reads.require(twin, self.caller, "subscribe", args, SUBSCRIBE)
        wanted = Wish(
            wish.id,
            wish.slice,
            where_of(wish),
            None if wish.fields is None else tuple(dict.fromkeys(wish.fields)),
            wish.since,
            wish.epoch,
            UNLIMITED if wish.credits is None else wish.credits,
        )
        sight.filter(wanted.where)
        if self.caller.is_twin:
            reads.note(twin, self.caller, "subscribe", args, sight.grant_id, 0, 0)
        twin.hub.subscribe(wanted, self)

    def _call(self, wish: Call) -> None:
        if self._calls >= MOST_CALLS or len(self._done) >= MOST_CALLS:
            self.close(TOO_MUCH, "Too many calls are under way.")
            return
        self._calls += 1

        def done(outcome: twin.Answer | Problem) -> None:
            self._calls -= 1
            if not self._done:
                self._twin.hub.afterwards(self._acknowledge)
            self._done.append(_outcome(wish.id, outcome))

        try:
            args = codec.parse(bytes(wish.args))
        except Problem as problem:
            self._twin.hub.at(0, lambda problem=problem: done(problem))  # type: ignore[misc]
            return
        self._twin.submit(self.caller, wish.reducer, args, wish.key, done)

    def _acknowledge(self, durable: int) -> None:
        """One message about all calls of this connection that were just settled."""
        calls, self._done = self._done, []
        frame = b'{"type":"done","durable":%d,"calls":[%b]}' % (durable, b",".join(calls))
        self.send(Message("done", durable, frame))


def accept(request: Request) -> Live:
    """A connection for whoever asks.

    Raises:
        Problem: 401.
    """
    return Live(twin_of(request), caller_of(request))


def where_of(wish: Subscribe) -> str:
    """The conditions as they came, or "" for none."""
    text = bytes(wish.where).decode(errors="replace")
    return "" if text == "null" else text


def _outcome(id_: str, outcome: twin.Answer | Problem) -> bytes:
    if isinstance(outcome, Problem):
        return codec.encode({"id": id_, "problem": outcome.to_json()})
    return b'{"id":%b,%b' % (codec.encode(id_), told(outcome)[1:])


def _note_end(twin: Twin, caller: Caller, ended: list[Subscription]) -> None:
    if caller.is_twin:
        for one in ended:
            sent = {"grant_id": one.grant_id, "messages": one.messages, "bytes": one.bytes}
            twin.noted(caller, "unsubscribe", {"slice": one.wish.slice, **sent})


def wish_of(content: dict[str, Any]) -> Subscribe:
    """The wish that a query's parameters describe.

    Raises:
        Problem: 422.
    """
    try:
        return msgspec.convert(content, Subscribe, strict=False)
    except msgspec.ValidationError as error:
        raise invalid(f"{error}.".replace("$.", "")) from None
