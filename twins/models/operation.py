"""An act that takes longer than a request: named steps, driven by Celery, finished even after a crash."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from portal.states import Lifecycle
from twins.runtime.ids import new_uuid7


class Operation(models.Model):
    """The row is the truth; the queue only says "look at it now". Asking twice with one ``key`` is one."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"

    LIFECYCLE = Lifecycle(
        "operation",
        {
            "waiting": {"start": "running"},
            "running": {"start": "running", "finish": "done", "give up": "failed"},
            "failed": {"retry": "waiting"},
            "done": {},
        },
    )

    id = models.UUIDField(primary_key=True, default=new_uuid7, editable=False)
    kind = models.CharField(max_length=32)
    key = models.CharField(max_length=120, unique=True)
    args = models.JSONField(default=dict)
    state = models.CharField(max_length=16, choices=State, default=State.WAITING)
    step = models.PositiveSmallIntegerField(default=0)
    log = models.JSONField(default=list)
    error = models.TextField(blank=True)
    attempts = models.PositiveIntegerField(default=0)
    lease_by = models.CharField(max_length=40, blank=True)
    lease_until = models.DateTimeField(null=True)
    created = models.DateTimeField(auto_now_add=True)
    updated = models.DateTimeField(auto_now=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["-created"]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["state", "lease_until"], name="operation_due")
        ]

    def __str__(self) -> str:
        return self.key
