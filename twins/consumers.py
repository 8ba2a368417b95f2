"""Live fragments of claims and of the desk. Rows are the truth: each nudge renders them again."""

from __future__ import annotations

import json
import uuid
from typing import Any

from channels.db import database_sync_to_async
from django.template.loader import render_to_string

from portal.consumers import FORBIDDEN, SignedInConsumer
from portal.models import User
from twins import queries
from twins.contexts import casefile
from twins.models import Claim


class Fragments(SignedInConsumer):
    """Sends rendered fragments when it opens, and again whenever its groups are nudged."""

    async def opened(self, user: User) -> None:
        for group in await self.groups_of(user):
            await self.join(group)
        await self.refresh({})

    async def refresh(self, message: dict[str, Any]) -> None:
        """Render and send; closes for good when the person may no longer see it."""
        user = await self.person_now()
        fragments = await self.fragments(user) if user else {}
        if not fragments:
            await self.close(FORBIDDEN)
        for target, content in fragments.items():
            swap = "outerMorph" if content else "innerHTML swapEmpty:true"
            await self.send(text_data=json.dumps({"target": target, "swap": swap, "content": content}))

    async def groups_of(self, user: User) -> list[str]:
        """The groups whose nudges concern this page."""
        raise NotImplementedError

    async def fragments(self, user: User) -> dict[str, str]:
        """HTML by the selector of what it replaces; empty HTML empties that; nothing at all is a refusal."""
        raise NotImplementedError


class ClaimProgress(Fragments):
    """The steps of the person's own claim, its proof and its operation."""

    claim_changed = operation_changed = Fragments.refresh

    async def groups_of(self, user: User) -> list[str]:
        claim = await self._claim(user)
        return [f"claim-{claim.pk}"] if claim else []

    async def fragments(self, user: User) -> dict[str, str]:
        claim = await self._claim(user)
        if claim is None:
            return {}
        if claim.operation_id:
            await self.join(f"operation-{claim.operation_id}")
        fragments: dict[str, str] = await self._render(claim)
        return fragments

    @database_sync_to_async
    def _claim(self, user: User) -> Claim | None:
        pk: uuid.UUID = self.scope["url_route"]["kwargs"]["pk"]
        found = Claim.objects.select_related("twin", "claimant", "operation")
        return found.filter(pk=pk, claimant=user).first()

    @database_sync_to_async
    def _render(self, claim: Claim) -> dict[str, str]:
        context = casefile.context(claim)
        parts = {
            f"#claim-{part}": render_to_string(f"claims/_{part}.html", context)
            for part in ("status", "after")
        }
        decided = claim.state not in ("open", "review", "more")
        return parts | ({"#claim-acts": ""} if decided else {})


class DeskQueue(Fragments):
    """The cases that wait, for curators."""

    desk_changed = Fragments.refresh

    async def groups_of(self, user: User) -> list[str]:
        return ["desk"] if user.is_curator else []

    async def fragments(self, user: User) -> dict[str, str]:
        return {"#desk-queue": await self._render()} if user.is_curator else {}

    @database_sync_to_async
    def _render(self) -> str:
        rows = [{"claim": row, "current": False, "proof_state": row.proof_state} for row in queries.queue()]
        return render_to_string("desk/_queue.html", {"queue": rows})
