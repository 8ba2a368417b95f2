"""The channel layer of the embedded portal: one process, many threads."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from channels.layers import InMemoryChannelLayer


class LocalChannelLayer(InMemoryChannelLayer):
    """Channels' in-memory layer, safe to use from every thread.

    Its queues belong to one event loop; a message that another thread puts in wakes nobody until the loop
    wakes by itself. So each call is carried to the loop that owns them, which `bind` names.
    """

    loop: asyncio.AbstractEventLoop | None = None

    def bind(self, loop: asyncio.AbstractEventLoop) -> None:
        """Names the loop of the server. To be called before a thread can send."""
        self.loop = loop

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        """As in Channels."""
        send = super().send
        await self._on_loop(lambda: send(channel, message))

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        """As in Channels."""
        group_send = super().group_send
        await self._on_loop(lambda: group_send(group, message))

    async def _on_loop(self, call: Callable[[], Awaitable[None]]) -> None:
        loop = self.loop
        if loop is None or loop.is_closed() or asyncio.get_running_loop() is loop:
            await call()
            return

        async def carried() -> None:
            await call()

        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(carried(), loop))
