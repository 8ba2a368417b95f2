"""Everything on one machine: the server, Celery in threads, the host as a child, and a demo mesh."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack
from urllib.parse import urlsplit

from channels.layers import get_channel_layer
from daphne.server import reactor
from django.conf import settings
from django.db import connections

from portal.asgi import application
from portal.celery import app
from portal.health import health
from portal.hostprocess import HostProcess
from portal.layers import LocalChannelLayer
from portal.server import GracefulServer, loop
from portal.worker import Worker
from twins.demo import feed
from twins.demo.plant import plant

log = logging.getLogger(__name__)
WATCH_SECONDS = 1.0
TASK_SECONDS = 10.0


class Embedded:
    """One run of `manage.py up`. `say` prints a line for the person at the terminal."""

    def __init__(self, listener: socket.socket, demo: bool, say: Callable[[str], None]) -> None:
        self._server = GracefulServer(application, listener)
        self._host = HostProcess(settings.MYCELIUM_HOME, settings.OUTBOUND_ALLOW, settings.OUTBOUND_PORTS)
        self._worker = Worker(app)
        self._demo = demo
        self._say = say
        self._failed = False

    def run(self) -> int:
        """Serves until a signal comes; 1 when something that the portal cannot do without has failed."""
        layer = get_channel_layer()
        if isinstance(layer, LocalChannelLayer):
            layer.bind(loop())
        with ExitStack() as stack:
            feed_url = self._start_feed(stack) if self._demo else None
            self._host.start()
            stack.callback(self._host.stop)
            self._worker.start()
            stack.callback(self._stop_worker)
            threading.Thread(target=self._get_ready, args=(feed_url,), name="start", daemon=True).start()
            reactor.callLater(WATCH_SECONDS, self._watch)
            self._server.run()
            self._say("Stopping ...")
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda *_: os._exit(1))  # the host and its twins end with this process
        return int(self._failed)

    def _stop_worker(self) -> None:
        if not self._worker.stop(0.0 if self._server.hurried else TASK_SECONDS):
            self._host.stop()
            os._exit(1)  # Python would wait for the task's thread; its row says where to go on

    def _start_feed(self, stack: ExitStack) -> str:
        """The demo's source of data, always at the same port: the twins' senses hold its address."""
        kept = settings.MYCELIUM_HOME / "feed.port"
        port = int(kept.read_text()) if kept.exists() else 0
        try:
            running = feed.start(port)
        except OSError:
            self._say(f"Port {port} of the demo's data feed is taken: the twins keep the data they have.")
            return f"http://127.0.0.1:{port}"
        stack.callback(running.stop)
        port = urlsplit(running.url).port or 0
        kept.write_text(str(port))
        self._host.allow_port(str(port))
        return running.url

    def _get_ready(self, feed_url: str | None) -> None:
        try:
            health.starting("waiting for the host")
            self._host.wait()
            health.starting("planting the demo mesh")
            lines = plant(feed_url, self._say) if feed_url else []
            health.ready()
            for line in (f"Mycelium is up: {settings.PUBLIC_URL}/", *lines):
                self._say(line)
        except Exception:
            if not self._server.draining:
                log.exception("the start failed")
                reactor.callFromThread(self._fail, "Mycelium could not start; the line above says why.")
        finally:
            connections.close_all()

    def _watch(self) -> None:
        if self._server.draining:
            return
        self._host.keep()
        if not self._worker.is_alive():
            self._fail("The worker ended; stopping, so that nothing waits for it in vain.")
        reactor.callLater(WATCH_SECONDS, self._watch)

    def _fail(self, why: str) -> None:
        self._failed = True
        self._say(why)
        if not self._server.draining:
            self._server.drain()
