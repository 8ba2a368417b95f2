"""Driving operations: begin, run, sweep.

A worker takes an operation by a lease, does its steps one after another and stores each result before the
next. A step says "make it so" and may run twice; a worker that died leaves a lease that runs out, and
the sweep puts the row before another worker. Losing the broker loses no work.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from celery import current_app
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from portal.push import push
from portal.states import WrongState
from twins.models import Operation

log = logging.getLogger(__name__)
LEASE = timedelta(seconds=20)
ATTEMPTS = 12


class GiveUp(Exception):
    """A step cannot succeed, now or later: the operation fails with this sentence."""


class LeaseLost(Exception):
    """Another worker has the row now."""


@dataclass(frozen=True)
class Step:
    """One idempotent act: ``do(args)`` returns a sentence about what it found or did."""

    name: str
    title: str
    do: Callable[[dict[str, Any]], str]


@dataclass(frozen=True)
class Kind:
    """A named sequence of steps, and what happens when one of them gives up."""

    name: str
    steps: tuple[Step, ...]
    failed: Callable[[dict[str, Any], str], None] = lambda args, error: None


KINDS: dict[str, Kind] = {}


def register(kind: Kind) -> Kind:
    """Make a kind of operation known under its name."""
    KINDS[kind.name] = kind
    return kind


def begin(kind: str, key: str, args: dict[str, Any]) -> Operation:
    """The operation with this key; a new one is put before a worker when the transaction commits."""
    operation, new = Operation.objects.get_or_create(key=key, defaults={"kind": kind, "args": args})
    if new:
        enqueue(operation.pk)
    return operation


def retry(operation: Operation) -> None:
    """Put a failed operation before a worker again; it goes on at the step that failed."""
    Operation.LIFECYCLE.move(operation, "retry", attempts=0, error="", lease_by="", lease_until=None)
    enqueue(operation.pk)


def enqueue(pk: uuid.UUID) -> None:
    """Nudge a worker. A broker that is down does no harm: the sweep finds the row."""

    def send() -> None:
        try:
            current_app.send_task("twins.tasks.run_operation", [str(pk)], ignore_result=True, expires=30)
        except Exception:
            log.warning("the broker did not take the nudge", exc_info=True)

    transaction.on_commit(send)


def run(pk: uuid.UUID) -> None:
    """Take the operation if nobody has it, and do what remains of it."""
    worker = uuid.uuid4().hex
    operation = _take(pk, worker)
    if operation is None:
        return
    kind = KINDS[operation.kind]
    try:
        for number in range(operation.step, len(kind.steps)):
            _do(operation, kind.steps[number], number, worker)
        _close(operation, worker, "finish")
    except LeaseLost:
        return
    except GiveUp as reason:
        _fail(operation, kind, worker, str(reason))
    except Exception as error:  # noqa: BLE001 -- whatever it was, the row must say so and be tried again
        _postpone(operation, kind, worker, error)


def due() -> list[uuid.UUID]:
    """Operations that nobody works on although they are not at an end."""
    now = timezone.now()
    waiting = Q(lease_until__isnull=True, updated__lt=now - timedelta(seconds=2))
    rows = Operation.objects.filter(state__in=["waiting", "running"]).filter(Q(lease_until__lt=now) | waiting)
    return list(rows.order_by("created").values_list("pk", flat=True)[:100])


def steps_of(operation: Operation) -> list[dict[str, Any]]:
    """The steps as a page shows them: name, title, state (done, now, wait, bad), seconds, text."""
    rows = []
    for number, step in enumerate(KINDS[operation.kind].steps):
        done = operation.log[number] if number < len(operation.log) else {}
        rows.append({"name": step.name, "title": step.title, "state": _step_state(operation, number), **done})
    if operation.error and operation.step < len(rows):
        rows[operation.step]["error"] = operation.error
    return rows


def _step_state(operation: Operation, number: int) -> str:
    if number < operation.step:
        return "done"
    if number > operation.step:
        return "wait"
    return "bad" if operation.state == "failed" else "now"


def _take(pk: uuid.UUID, worker: str) -> Operation | None:
    now = timezone.now()
    free = Q(lease_until__isnull=True) | Q(lease_until__lt=now)
    operation = Operation.objects.filter(free, pk=pk, state__in=["waiting", "running"]).first()
    if operation is None:
        return None
    rows = Operation.objects.filter(free, pk=pk, state=operation.state)
    taken = rows.update(
        state=Operation.LIFECYCLE.after(operation.state, "start"),
        lease_by=worker,
        lease_until=now + LEASE,
        attempts=operation.attempts + 1,
        updated=now,
    )
    if not taken:
        return None
    operation.refresh_from_db()
    return operation


def _do(operation: Operation, step: Step, number: int, worker: str) -> None:
    started = timezone.now()
    _store(operation, worker, lease_until=started + LEASE)
    text = step.do(operation.args)
    took = round((timezone.now() - started).total_seconds(), 3)
    line = {"started": started.isoformat(), "seconds": str(took), "text": text}
    _store(operation, worker, step=number + 1, log=[*operation.log[:number], line], error="", attempts=0)


def _close(operation: Operation, worker: str, action: str, **fields: Any) -> None:
    state = Operation.LIFECYCLE.after(operation.state, action)
    _store(operation, worker, state=state, lease_until=None, lease_by="", **fields)


def _fail(operation: Operation, kind: Kind, worker: str, reason: str) -> None:
    with transaction.atomic():
        _close(operation, worker, "give up", error=reason)
        kind.failed(operation.args, reason)


def _postpone(operation: Operation, kind: Kind, worker: str, error: Exception) -> None:
    """Leave the row to the sweep: later each time, and give up in the end."""
    text = f"{type(error).__name__}: {error}"
    log.warning("operation %s: %s", operation.key, text)
    try:
        if operation.attempts >= ATTEMPTS:
            return _fail(operation, kind, worker, text)
        later = timezone.now() + timedelta(seconds=min(60, 2 ** (operation.attempts - 1)))
        _store(operation, worker, error=text, lease_by="", lease_until=later)
    except (LeaseLost, WrongState):
        log.info("operation %s is another worker's now", operation.key)


def _store(operation: Operation, worker: str, **fields: Any) -> None:
    """Fenced: only the worker that holds the lease may write."""
    if not Operation.objects.filter(pk=operation.pk, lease_by=worker).update(
        updated=timezone.now(), **fields
    ):
        raise LeaseLost
    operation.refresh_from_db()
    push(f"operation-{operation.pk}", "operation.changed")
