"""What every live page's socket has in common: somebody signed in, and an end when they sign out."""

from __future__ import annotations

from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer

from portal.models import User
from portal.push import session_group

SIGNED_OUT, FORBIDDEN = 4401, 4403


class SignedInConsumer(AsyncWebsocketConsumer):
    """Closes with 4401 to strangers, and as soon as the session under which it was opened ends."""

    async def connect(self) -> None:
        self.joined: set[str] = set()
        await self.accept()
        user = self.scope["user"]
        if not isinstance(user, User):
            await self.close(SIGNED_OUT)
            return
        await self.join(session_group(self.scope["session"].session_key))
        await self.opened(user)

    async def opened(self, user: User) -> None:
        """The socket is open for this person."""
        raise NotImplementedError

    async def disconnect(self, code: int) -> None:
        for group in self.joined:
            await self.channel_layer.group_discard(group, self.channel_name)

    async def session_ended(self, message: dict[str, Any]) -> None:
        """The person signed out, or somebody else signed in, in this browser."""
        await self.close(SIGNED_OUT)

    async def join(self, group: str) -> None:
        """Hear the nudges to a group from now on."""
        if group not in self.joined:
            self.joined.add(group)
            await self.channel_layer.group_add(group, self.channel_name)

    @database_sync_to_async
    def person_now(self) -> User | None:
        """The person as the database has them now; None when they may no longer sign in."""
        return User.objects.filter(pk=self.scope["user"].pk, is_active=True).first()

    @database_sync_to_async
    def signed_in(self) -> bool:
        """Whether the session still stands."""
        session = self.scope["session"]
        return bool(session.session_key and session.exists(session.session_key))
