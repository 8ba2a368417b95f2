"""The host's event loop: sockets, timers and signals on one selector, in one thread.

An asyncio loop must not be alive across a fork, hence these few lines.
"""

from __future__ import annotations

import heapq
import itertools
import selectors
import signal
import socket
import time
from collections.abc import Callable

Action = Callable[[], None]
# The kernel takes no wait of years.
_LONGEST_WAIT = 3600.0


class Loop:
    """Runs an action when its socket is ready, its time has come or its signal has arrived."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._watched: dict[socket.socket, Action] = {}
        self._timers: list[tuple[float, int, Action]] = []
        self._order = itertools.count()
        self._signals: dict[int, Action] = {}
        self._bell, self._button = socket.socketpair()
        self._bell.setblocking(False)
        self._button.setblocking(False)
        signal.set_wakeup_fd(self._button.fileno(), warn_on_full_buffer=False)
        self.watch(self._bell, self._ring)

    def watch(self, sock: socket.socket, action: Action, *, writing: bool = False) -> None:
        """Run the action each time the socket can be read (or written); replaces an earlier action."""
        events = selectors.EVENT_WRITE if writing else selectors.EVENT_READ
        if sock in self._watched:
            self._selector.modify(sock, events)
        else:
            self._selector.register(sock, events)
        self._watched[sock] = action

    def unwatch(self, sock: socket.socket) -> None:
        """Forget the socket, which may be unknown; it stays open."""
        if self._watched.pop(sock, None) is not None:
            self._selector.unregister(sock)

    def later(self, seconds: float, action: Action) -> None:
        """Run the action once, after so many seconds."""
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._order), action))

    def on_signal(self, number: signal.Signals, action: Action) -> None:
        """Run the action in a turn of the loop, not inside the signal handler."""
        signal.signal(number, _to_the_wakeup_socket)
        self._signals[number] = action

    def turn(self) -> None:
        """Wait for the next thing to do and do it."""
        wait = max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else _LONGEST_WAIT
        for key, _ in self._selector.select(min(wait, _LONGEST_WAIT)):
            # An earlier action of this turn may have dropped this socket.
            action = self._watched.get(key.fileobj)  # type: ignore[call-overload]
            if action is not None:
                action()
        while self._timers and self._timers[0][0] <= time.monotonic():
            heapq.heappop(self._timers)[2]()

    def close(self) -> None:
        """Close the loop's own descriptors and every watched socket, without touching signal handlers."""
        self._selector.close()
        for sock in [*self._watched, self._button]:
            sock.close()

    def _ring(self) -> None:
        for number in set(self._bell.recv(4096)):
            action = self._signals.get(number)
            if action is not None:
                action()


def _to_the_wakeup_socket(_number: int, _frame: object) -> None:
    """Only a handled signal reaches the wakeup socket."""
