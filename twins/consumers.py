"""Live fragments of claims and of the desk. Rows are the truth: each nudge renders them again."""

from __future__ import annotations

import json
import uuid
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.template.loader import render_to_string

from portal.models import User
from twins import casefile, queries
from twins.models import Claim

SIGNED_OUT = 4401
FORBIDDEN = 4403


class Fragments(AsyncWebsocketConsumer):
    """Sends a rendered fragment when it opens, and again whenever its groups are nudged."""

    async def connect(self) -> None:
        user = self.scope["user"]
        await self.accept()
        if not isinstance(user, User):
            await self.close(SIGNED_OUT)
            return
        for group in await self.groups_of(user):
            await self.channel_layer.group_add(group, self.channel_name)
            self.joined = [*getattr(self, "joined", []), group]
        await self.refresh({})

    async def disconnect(self, code: int) -> None:
        for group in getattr(self, "joined", []):
            await self.channel_layer.group_discard(group, self.channel_name)

    async def refresh(self, message: dict[str, Any]) -> None:
        """Render and send; closes for good when the person may no longer see it."""
        fragment = await self.fragment(self.scope["user"])
        if fragment is None:
            await self.close(FORBIDDEN)
        else:
            await self.send(text_data=json.dumps(fragment))

    async def groups_of(self, user: User) -> list[str]:
        raise NotImplementedError

    async def fragment(self, user: User) -> dict[str, str] | None:
        raise NotImplementedError


class ClaimProgress(Fragments):
    """The steps of the person's own claim, its proof and its operation."""

    claim_changed = operation_changed = Fragments.refresh

    async def groups_of(self, user: User) -> list[str]:
        claim = await self._claim(user)
        groups = [f"claim-{claim.pk}"] if claim else []
        if claim and claim.operation_id:
            groups.append(f"operation-{claim.operation_id}")
        return groups

    async def fragment(self, user: User) -> dict[str, str] | None:
        claim = await self._claim(user)
        if claim is None:
            return None
        if claim.operation_id and f"operation-{claim.operation_id}" not in self.joined:
            self.joined.append(f"operation-{claim.operation_id}")
            await self.channel_layer.group_add(self.joined[-1], self.channel_name)
        return {"target": "#claim-status", "swap": "outerMorph", "content": await self._render(claim)}

    @database_sync_to_async
    def _claim(self, user: User) -> Claim | None:
        pk: uuid.UUID = self.scope["url_route"]["kwargs"]["pk"]
        found = Claim.objects.select_related("twin", "claimant", "operation")
        return found.filter(pk=pk, claimant=user).first()

    @database_sync_to_async
    def _render(self, claim: Claim) -> str:
        return render_to_string("claims/_status.html", casefile.context(claim))


class DeskQueue(Fragments):
    """The cases that wait, for curators."""

    desk_changed = Fragments.refresh

    async def groups_of(self, user: User) -> list[str]:
        return ["desk"] if user.is_curator else []

    async def fragment(self, user: User) -> dict[str, str] | None:
        if not user.is_curator:
            return None
        return {"target": "#desk-queue", "swap": "outerMorph", "content": await self._render()}

    @database_sync_to_async
    def _render(self) -> str:
        rows = [{"claim": row, "current": False, "proof_state": row.proof_state} for row in queries.queue()]
        return render_to_string("desk/_queue.html", {"queue": rows})
