"""Rate limits: so many acts per window and key, counted in the cache that every portal process shares."""

from __future__ import annotations

import time

from django.core.cache import cache
from django.http import HttpRequest


class TooMany(Exception):
    """The limit is reached; ``seconds`` until the window ends."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"Too many attempts. Try again in {seconds} seconds.")
        self.seconds = seconds


def take(act: str, key: str, *, most: int, window: int) -> None:
    """Count one act for the key. Raises TooMany above ``most`` acts in ``window`` seconds."""
    now = int(time.time())
    name = f"limit:{act}:{key}:{now // window}"
    cache.add(name, 0, window)
    try:
        count = cache.incr(name)
    except ValueError:  # it ended between add and incr: this act is the first of a new window
        cache.set(name, 1, window)
        count = 1
    if count > most:
        raise TooMany(window - now % window)


def address_of(request: HttpRequest) -> str:
    """The peer's address as the server saw it; proxies are trusted only through Daphne's own setting."""
    return str(request.META.get("REMOTE_ADDR", ""))
