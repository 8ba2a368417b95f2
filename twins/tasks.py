"""What Celery runs. Rows hold what is wanted; these only look and nudge, so each may run twice or late."""

from __future__ import annotations

import uuid

from celery import shared_task

from twins.operations import driver
from twins.services import claims


@shared_task(ignore_result=True)
def run_operation(pk: str) -> None:
    """Do what remains of one operation."""
    driver.run(uuid.UUID(pk))


@shared_task(ignore_result=True)
def sweep() -> None:
    """Put every operation that nobody works on before a worker again."""
    for pk in driver.due():
        driver.enqueue(pk)


@shared_task(ignore_result=True)
def check_proofs() -> None:
    """Look again for the proofs of open claims, and end the claims whose time is over."""
    claims.expire_overdue()
    for claim in claims.waiting_for_proof():
        claims.check_proof(claim)
