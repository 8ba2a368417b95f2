"""Live client: follows one slice of a twin."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

from twins.runtime.client.errors import LiveClosed, TwinError, TwinUnreachable

LARGEST_FRAME = 64 * 1024 * 1024


async def follow(
    socket_path: Path | str,
    token: str,
    slice: str,  # noqa: A002 - the protocol's word
    *,
    where: dict[str, Any] | None = None,
    since: int | None = None,
    epoch: int | None = None,
) -> AsyncIterator[dict[str, Any]]:
    """The twin's messages about one slice, as they come.

    Args:
        socket_path: the twin's socket.
        token: a token for it.
        slice: the slice's name.
        where: only objects that this fits.
        since: the seq at which an earlier connection's copy stands, of the log's life `epoch`; then
            `resumed` brings what changed, or `reset` and `rows` everything.

    Raises:
        LiveClosed: the twin ended the connection; the code says why.
        TwinError: the connection or the subscription was refused.
        TwinUnreachable: nobody answered.
    """
    wanted = {"where": where, "from": since, "epoch": epoch}
    given = {name: value for name, value in wanted.items() if value is not None}
    connector = aiohttp.UnixConnector(str(socket_path))
    async with aiohttp.ClientSession(connector=connector) as session, await _connect(session, token) as ws:
        await ws.send_json({"type": "subscribe", "id": slice, "slice": slice, **given})
        while True:
            message = await ws.receive()
            if message.type is not aiohttp.WSMsgType.TEXT:
                raise LiveClosed(*_closing(message, ws))
            told = _checked(json.loads(message.data))
            if told["type"] != "hello":
                yield told


async def _connect(session: aiohttp.ClientSession, token: str) -> aiohttp.ClientWebSocketResponse:
    headers = {"Authorization": f"Bearer {token}"}
    try:
        return await session.ws_connect("http://twin/v1/live", headers=headers, max_msg_size=LARGEST_FRAME)
    except aiohttp.WSServerHandshakeError as error:
        raise TwinError(
            error.status, "about:blank", "The live connection was refused", error.message
        ) from None
    except (aiohttp.ClientError, OSError) as error:
        raise TwinUnreachable(f"The twin does not answer: {error}") from None


def _closing(message: aiohttp.WSMessage, ws: aiohttp.ClientWebSocketResponse) -> tuple[int, str]:
    if message.type is aiohttp.WSMsgType.CLOSE:
        return int(message.data), str(message.extra or "")
    return ws.close_code or 1006, "The connection was lost."


def _checked(message: dict[str, Any]) -> dict[str, Any]:
    if message["type"] == "problem":
        problem = message["problem"]
        raise TwinError(problem["status"], problem["type"], problem["title"], problem["detail"])
    return message
