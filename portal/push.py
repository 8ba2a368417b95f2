"""Tell open pages that something changed. Best effort: the rows are the truth and pages read them again."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import threading
from collections.abc import Coroutine
from typing import Any

from channels.layers import get_channel_layer
from django.db import transaction

log = logging.getLogger(__name__)
_lock = threading.Lock()
_loops: list[asyncio.AbstractEventLoop] = []


def push(group: str, kind: str) -> None:
    """Send ``{"type": kind}`` to a group when the running transaction commits; at once outside of one."""
    transaction.on_commit(lambda: _send(group, kind))


def session_group(session_key: str) -> str:
    """The group of the pages that one sign-in has open; the key itself does not travel."""
    return f"session-{hashlib.sha256(session_key.encode()).hexdigest()[:32]}"


def _send(group: str, kind: str) -> None:
    layer = get_channel_layer()
    if layer is None:
        return
    future = asyncio.run_coroutine_threadsafe(_quietly(layer.group_send(group, {"type": kind})), _loop())
    future.add_done_callback(lambda done: done.cancelled() or done.exception())


async def _quietly(send: Coroutine[Any, Any, None]) -> None:
    try:
        await send
    except Exception:  # a page that is not told reads the row when it connects again
        log.warning("could not tell the open pages", exc_info=True)


def _loop() -> asyncio.AbstractEventLoop:
    """One background loop per process: a loop and a connection per push would cost ten times as much."""
    with _lock:
        if not _loops:
            loop = asyncio.new_event_loop()
            threading.Thread(target=loop.run_forever, name="push", daemon=True).start()
            _loops.append(loop)
        return _loops[0]
