"""The sockets behind live pages. Each consumer lives in the app whose page it serves."""

from __future__ import annotations

from django.urls import path

from grants.consumers import ReceivedSlice
from twins.consumers import ClaimProgress, DeskQueue

routes = [
    path("live/claims/<uuid:pk>/", ClaimProgress.as_asgi()),
    path("live/desk/", DeskQueue.as_asgi()),
    path("live/reads/<uuid:pk>/", ReceivedSlice.as_asgi()),
]
