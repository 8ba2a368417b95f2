"""What the server calls: `/api/<slug>/...` are the twins, `/live/...` the live pages, the rest is Django."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_pages: App = get_asgi_application()

# models can be imported only now
from portal import live
from portal.router import gateway

_live: App = AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(live.routes)))


async def _http(scope: Scope, receive: Receive, send: Send) -> None:
    await (gateway if _for_twins(scope) else _pages)(scope, receive, send)


async def _websocket(scope: Scope, receive: Receive, send: Send) -> None:
    if _for_twins(scope):
        await gateway(scope, receive, send)
    elif scope["path"].startswith("/live/"):
        await _live(scope, receive, send)
    else:
        await send({"type": "websocket.close"})


def _for_twins(scope: Scope) -> bool:
    return str(scope["path"]).startswith("/api/")


application = ProtocolTypeRouter({"http": _http, "websocket": _websocket})
