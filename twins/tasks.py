"""What Celery runs. Rows hold what is wanted; these only look and nudge, so each may run twice or late."""

from __future__ import annotations

import uuid
from contextlib import suppress

from celery import shared_task

from portal.states import WrongState
from twins.models import Claim
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
    """End the claims whose time is over, and have the proofs of the open ones looked for, each by itself."""
    claims.expire_overdue()
    for pk in claims.due_for_proof():
        check_proof.apply_async((str(pk),), expires=60)


@shared_task(ignore_result=True)
def check_proof(pk: str) -> None:
    """Look for the proof of one claim, unless it was decided or withdrawn meanwhile."""
    with suppress(WrongState, Claim.DoesNotExist):
        claims.check_proof(Claim.objects.select_related("twin", "claimant").get(pk=pk))
