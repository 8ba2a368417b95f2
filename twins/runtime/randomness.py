"""Randomness from the system, drawn for many at once: one by one it costs as much as sealing a record."""

from __future__ import annotations

import os

AT_ONCE = 128


class Randomness:
    """Random values of one size. One twin's only, and made after its process: a copy would repeat itself."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._drawn: list[bytes] = []

    def draw(self) -> bytes:
        """The next value."""
        if not self._drawn:
            size = self._size
            drawn = os.urandom(size * AT_ONCE)
            self._drawn = [drawn[at : at + size] for at in range(0, len(drawn), size)]
        return self._drawn.pop()
