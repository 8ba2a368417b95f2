"""Rate limits: so many acts per window and key, counted in the cache that every portal process shares."""

from __future__ import annotations

import hashlib
import ipaddress
import time

from django.conf import settings
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
    digest = hashlib.sha256(key.encode()).hexdigest()[:32]
    name = f"limit:{act}:{digest}:{now // window}"
    cache.add(name, 0, window)
    try:
        count = cache.incr(name)
    except ValueError:  # it ended between add and incr: this act is the first of a new window
        cache.set(name, 1, window)
        count = 1
    if count > most:
        raise TooMany(window - now % window)


def address_of(request: HttpRequest) -> str:
    """The peer's address; an IPv6 peer's /64, which is one customer's.

    Behind an edge (PUBLIC_URL is https) it is the last address in X-Forwarded-For: the one the edge saw.
    """
    found = str(request.META.get("REMOTE_ADDR", ""))
    if settings.BEHIND_EDGE:
        found = request.headers.get("X-Forwarded-For", found).rpartition(",")[2].strip()
    try:
        address = ipaddress.ip_address(found)
    except ValueError:
        return found[:45]
    return str(ipaddress.ip_network(f"{address}/64", strict=False)) if address.version == 6 else str(address)
