"""The sockets behind live pages. Each consumer lives in the app whose page it serves."""

from __future__ import annotations

from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer
from django.urls import path, re_path

from grants.consumers import ReceivedSlice
from twins.consumers import ClaimProgress, DeskQueue

NO_SUCH_PAGE = 4404


class NoSuchPage(AsyncWebsocketConsumer):
    """Any other address: refused before it is opened."""

    async def connect(self) -> None:
        await self.close(NO_SUCH_PAGE)


routes: list[Any] = [
    path("live/claims/<uuid:pk>/", ClaimProgress.as_asgi()),
    path("live/desk/", DeskQueue.as_asgi()),
    path("live/reads/<uuid:pk>/", ReceivedSlice.as_asgi()),
    re_path("", NoSuchPage.as_asgi()),
]
