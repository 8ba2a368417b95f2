"""A received slice, live: twin to portal to browser. The portal holds no row longer than the page is open."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from channels.db import database_sync_to_async
from django.template.loader import render_to_string

from grants import received
from grants.access import reads_for
from grants.models import Grant
from portal.consumers import FORBIDDEN, SIGNED_OUT, SignedInConsumer
from portal.keyring import KeyLocked, signer_of
from portal.models import User
from twins.contexts import sheet
from twins.mesh import socket_path
from twins.runtime.client import KeySigner, LiveClosed, TokenSigner, TwinError, TwinUnreachable, follow

TOKEN_ENDED, REVOKED, EXPIRED = 4401, 4403, 4408
MOST_ROWS = 200
SHORTEST_PAUSE, LONGEST_PAUSE = 0.25, 5.0


def _signer(user: User, cookies: dict[str, str]) -> KeySigner | None:
    """What signs for the person of this page; None when the browser does not carry their key."""
    try:
        return signer_of(user, cookies)
    except KeyLocked:
        return None


class ReceivedSlice(SignedInConsumer):
    """Follows one slice of one twin for one open page, as the reader twin, for the person who looks."""

    async def opened(self, user: User) -> None:
        self.follower: asyncio.Task[None] | None = None
        self.objects: dict[str, dict[str, Any]] = {}
        self.columns: list[str] = []
        signer = _signer(user, self.scope["cookies"])
        grant = await self._grant(user) if signer else None
        if signer is None or grant is None:
            await self.close(SIGNED_OUT if signer is None else FORBIDDEN)
            return
        self.grant = grant
        await self.join(f"grant-{grant.pk}")
        self.follower = asyncio.create_task(self._follow(signer))

    async def disconnect(self, code: int) -> None:
        if follower := getattr(self, "follower", None):
            follower.cancel()
        await super().disconnect(code)

    async def grant_changed(self, message: dict[str, Any]) -> None:
        """The record changed: when the stream has ended already, say how in the record's own words."""
        if self.follower and self.follower.done():
            await self._end()

    async def _follow(self, signer: KeySigner) -> None:
        """Stay on the stream until the target twin ends it for good."""
        pause = SHORTEST_PAUSE
        while await self.signed_in():
            ended = await self._once(signer)
            if ended in (REVOKED, EXPIRED):
                await self._end()
                return
            pause = SHORTEST_PAUSE if ended == TOKEN_ENDED else min(pause * 2, LONGEST_PAUSE)
            await asyncio.sleep(pause)
        await self.close(SIGNED_OUT)

    async def _once(self, signer: KeySigner) -> int:
        """One connection to the target twin: the code with which it ended; 0 when nobody answered."""
        try:
            token = await asyncio.to_thread(received.pass_for, self.grant, signer)
            await self._stream(token)
        except LiveClosed as closed:
            return closed.code
        except TwinError as refusal:
            if refusal.status in (401, 403):
                return EXPIRED if refusal.type.endswith("grant-expired") else REVOKED
        except (TwinUnreachable, OSError):
            await self._status("asleep")
        return 0

    async def _stream(self, token: TokenSigner) -> None:
        path = socket_path(self.grant.target)
        fresh: dict[str, dict[str, Any]] = {}
        async for message in follow(path, token.token(self.grant.target.ulid), self.grant.slice):
            match message["type"]:
                case "rows":
                    fresh |= {row["id"]: row for row in message["rows"]}
                case "applied":
                    self.objects = fresh
                    await self._table()
                    await self._status("live")
                case "tx":
                    await self._changes(message)

    async def _changes(self, message: dict[str, Any]) -> None:
        """Row by row while the columns stay; the whole table when they change."""
        inserted = {row["id"]: row for row in message.get("insert", [])}
        updated = {row["id"]: row for row in message.get("update", [])}
        deleted = [gone for gone in message.get("delete", []) if self.objects.pop(gone, None)]
        self.objects |= inserted | updated
        if sheet.columns(list(self.objects.values())[:MOST_ROWS]) != self.columns:
            await self._table()
            return
        for gone in deleted:
            await self._fragment(f"#row-{sheet.key(gone)}", "delete", "")
        for row in updated.values():
            await self._fragment(f"#row-{sheet.key(row['id'])}", "outerHTML", self._row(row))
        for row in inserted.values():
            await self._fragment("#slice-rows", "afterbegin", self._row(row))

    async def _end(self) -> None:
        self.objects = {}
        status, text = await database_sync_to_async(received.ending)(self.grant)
        await self._fragment("#slice-rows", "innerHTML swapEmpty:true", "")
        sentence = render_to_string("grants/_sentence.html", {"grant": self.grant, "ended": True})
        await self._fragment("#slice-sentence", "innerHTML", sentence)
        await self._status(status, text)

    async def _table(self) -> None:
        table = sheet.table(list(self.objects.values())[:MOST_ROWS])
        self.columns = table["columns"]
        await self._fragment("#slice-table", "innerHTML", render_to_string("reads/_table.html", table))

    async def _status(self, status: str, ended_text: str = "") -> None:
        context = {"grant": self.grant, "status": status, "ended_text": ended_text}
        await self._fragment("#slice-status", "innerHTML", render_to_string("reads/_status.html", context))

    def _row(self, row: dict[str, Any]) -> str:
        return render_to_string("reads/_row.html", {"row": sheet.row(row, self.columns), "fresh": True})

    async def _fragment(self, target: str, swap: str, content: str) -> None:
        await self.send(text_data=json.dumps({"target": target, "swap": swap, "content": content}))

    @database_sync_to_async
    def _grant(self, user: User) -> Grant | None:
        grant = (
            Grant.objects.select_related("target", "reader")
            .filter(pk=self.scope["url_route"]["kwargs"]["pk"])
            .first()
        )
        return grant if grant and reads_for(user, grant) else None
