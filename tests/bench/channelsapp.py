"""The peer of fan-out: one Channels consumer that hands what it gets to its group, served by Daphne."""

from __future__ import annotations

import django
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter
from django.conf import settings

settings.configure(
    SECRET_KEY="bench",
    ALLOWED_HOSTS=["*"],
    CHANNEL_LAYERS={
        "default": {"BACKEND": "channels.layers.InMemoryChannelLayer", "CONFIG": {"capacity": 10_000}}
    },
)
django.setup()


class Fan(AsyncWebsocketConsumer):
    """Joins the group on the first message; every later one goes to the group."""

    joined = False

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Join, or send to all."""
        if self.joined:
            await self.channel_layer.group_send("bench", {"type": "fan", "text": text_data})
        else:
            self.joined = True
            await self.channel_layer.group_add("bench", self.channel_name)
            await self.send("applied")

    async def fan(self, event: dict[str, str]) -> None:
        """Hand a message on."""
        await self.send(event["text"])


application = ProtocolTypeRouter({"websocket": Fan.as_asgi()})
