"""What Celery runs for grants."""

from __future__ import annotations

from celery import shared_task

from grants import services


@shared_task(ignore_result=True)
def settle() -> None:
    """Label the requests and grants that time has ended. The twins' own clocks ended the access."""
    services.settle()
