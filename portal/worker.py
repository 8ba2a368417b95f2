"""Celery's worker and beat as threads of `manage.py up`."""

from __future__ import annotations

import threading
from typing import Any

from celery import Celery
from celery.beat import EmbeddedService
from celery.worker import WorkController
from celery.worker import state as worker_state

START_SECONDS = 30.0


class Worker:
    """Celery's worker and beat in threads of this process: the in-process broker reaches no other one."""

    def __init__(self, app: Celery) -> None:
        app.finalize()
        self._ready = threading.Event()
        self._worker = WorkController(
            app=app,
            pool="threads",
            concurrency=4,
            hostname="embedded@local",
            quiet=True,
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
            ready_callback=lambda _: self._ready.set(),
        )
        self._thread = threading.Thread(target=self._worker.start, name="worker", daemon=True)
        # as a process it would tick into a broker of its own
        self._beat: Any = EmbeddedService(app, thread=True, scheduler_cls=app.conf.beat_scheduler)

    def start(self) -> None:
        """Returns when the worker takes tasks. Raises RuntimeError when it does not within 30 s."""
        self._thread.start()
        if not self._ready.wait(START_SECONDS):
            raise RuntimeError("the worker did not start")
        self._beat.start()

    def is_alive(self) -> bool:
        """Whether both threads run: without them the portal would be half dead."""
        return self._thread.is_alive() and self._beat.is_alive()

    def stop(self, seconds: float) -> bool:
        """Lets running tasks finish. False when one takes longer; its row says where to go on."""
        self._beat.service._is_shutdown.set()  # its own stop() waits for the end of its sleep
        worker_state.should_stop = 0  # type: ignore[assignment]  # an exit code, by Celery's source
        self._thread.join(seconds)
        self._beat.join(2.0)
        return not self._thread.is_alive()
