"""Claims: start, prove, decide, hand over."""

from __future__ import annotations

import secrets
import uuid
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from portal.models import User
from portal.push import push
from portal.states import WrongState
from twins import proofs
from twins.models import Claim, ClaimNote, DeskEntry, Membership, Operation, Twin
from twins.operations import driver
from twins.proofs import Found

LIFETIME = timedelta(days=14)
PLATFORM = "Mycelium"  # no person can sign up under this name
VERDICTS = {"approve": "approve", "decline": "decline", "more": "ask"}


class NotClaimable(Exception):
    """The twin cannot be claimed by this person now; the text is for people."""


def start(twin: Twin, claimant: User, *, role: str, domain: str, proof: str, statement: str) -> Claim:
    """Open a claim. Raises NotClaimable for a twin with an owner, and for a person's second claim."""
    if not twin.is_claimable:
        raise NotClaimable(f"{twin.name} has an owner: it cannot be claimed.")
    fields = {"role": role, "domain": domain, "proof": proof, "statement": statement}
    deadline = timezone.now() + LIFETIME
    try:
        with transaction.atomic():
            claim = Claim.objects.create(
                twin=twin, claimant=claimant, token=secrets.token_hex(16), deadline=deadline, **fields
            )
            _note(claim, claimant.name, f"claims {twin.name} as {role}")
    except IntegrityError:
        raise NotClaimable(f"You already have an open claim to {twin.name}.") from None
    return claim


def look(claim: Claim) -> Found:
    """Look for the proof now, without storing anything."""
    kind = proofs.KINDS[claim.proof]
    return kind.check(claim.domain, claim.token, claim.claimant.public_key)


def check_proof(claim: Claim) -> Found:
    """Look for the proof and store what was found; a proof that fits puts the claim before the curators.

    Raises WrongState when the claim is past its review: what was decided on stays as it was.
    """
    if claim.state not in (Claim.State.OPEN, Claim.State.REVIEW, Claim.State.MORE):
        raise WrongState(f"This claim is {claim.get_state_display().lower()}: there is nothing to look for.")
    found = look(claim)
    state = Claim.ProofState.PASSED if found.ok else _unproved(found)
    seen = {
        "proof_state": state,
        "found": found.found,
        "message": found.message[:300],
        "checked_at": timezone.now(),
    }
    with transaction.atomic():
        if found.ok and claim.state == Claim.State.OPEN:
            Claim.LIFECYCLE.move(claim, "prove", **seen)
            _note(claim, PLATFORM, f"found the proof on {claim.domain}")
            push("desk", "desk.changed")
        else:
            Claim.objects.filter(pk=claim.pk).update(**seen)
            claim.refresh_from_db()
        _tell(claim)
    return found


def due_for_proof() -> list[uuid.UUID]:
    """Open claims whose proof was not looked for within the last minute; each is given out once a minute."""
    now = timezone.now()
    rows = Claim.objects.filter(state=Claim.State.OPEN).exclude(checked_at__gt=now - timedelta(minutes=1))
    due = list(rows.order_by("checked_at").values_list("pk", flat=True)[:50])
    return [pk for pk in due if rows.filter(pk=pk).update(checked_at=now)]


def expire_overdue() -> int:
    """End the claims whose deadline passed without a proof; how many."""
    ended = 0
    for claim in Claim.objects.filter(state__in=["open", "more"], deadline__lt=timezone.now()):
        ended += _end(claim, "expire", PLATFORM, "the claim ended: 14 days went by")
    return ended


def withdraw(claim: Claim, by: User) -> None:
    """The claimant takes the claim back. Raises WrongState when it is too late."""
    _move(claim, "withdraw", by.name, "withdrew the claim")


def answer(claim: Claim, by: User, text: str) -> None:
    """The claimant answers a curator who asked for more."""
    _move(claim, "answer", by.name, text)


def decide(claim: Claim, curator: User, verdict: str, reason: str, note: str) -> Claim:
    """A curator's verdict with its reason: approve, decline or more.

    Raises WrongState when the claim is not in review, and NotClaimable when curators judge their own case.
    """
    if claim.claimant_id == curator.pk:
        raise NotClaimable("This is your own claim: another curator must decide it.")
    if verdict == "approve" and claim.twin.claims.filter(state=Claim.State.HANDOVER).exists():
        raise NotClaimable("Another claim to this twin is being handed over.")
    before = claim.get_state_display()
    said = {"decided_by": curator, "decided_at": timezone.now(), "reason": reason, "note": note}
    with transaction.atomic():
        Claim.LIFECYCLE.move(claim, VERDICTS[verdict], **said)
        if verdict == "approve":
            claim.operation = _hand_over(claim)
            claim.save(update_fields=["operation"])
        _note(claim, curator.name, f"{_SAID[verdict]}: {reason}{f'. {note}' if note else ''}")
        DeskEntry.objects.create(
            curator=curator,
            verb=verdict,
            object=str(claim)[:200],
            reason=f"{reason}. {note}".strip(". "),
            before=before,
            after=claim.get_state_display(),
        )
        _tell(claim)
        push("desk", "desk.changed")
    return claim


def complete(claim: Claim) -> None:
    """The twin is in its owner's hands: say so in the directory. Doing it twice changes nothing."""
    with transaction.atomic():
        Membership.objects.get_or_create(user=claim.claimant, twin=claim.twin, role="owner")
        if claim.twin.state == Twin.State.VIRTUAL:
            Twin.LIFECYCLE.move(claim.twin, "hand over")
        if claim.state == Claim.State.HANDOVER:
            Claim.LIFECYCLE.move(claim, "complete")
            _note(claim, PLATFORM, f"{claim.claimant.name} owns {claim.twin.name}")
        for rival in claim.twin.claims.filter(state__in=["open", "review", "more"]):
            _end(rival, "lose", PLATFORM, "another claim to this twin was approved")
        _tell(claim)


def take_back(claim: Claim, error: str) -> None:
    """The handover failed before anything changed hands: the case goes back to the curators."""
    if claim.state == Claim.State.HANDOVER:
        Claim.LIFECYCLE.move(claim, "return")
        _note(claim, PLATFORM, f"the handover stopped: {error}")
        _tell(claim)


_SAID = {"approve": "approved the claim", "decline": "declined the claim", "more": "asks for more"}


def _hand_over(claim: Claim) -> Operation:
    key = f"handover:{claim.pk}:{claim.notes.count()}"
    return driver.begin("handover", key, {"claim": str(claim.pk)})


def _unproved(found: Found) -> str:
    return Claim.ProofState.FAILED if found.found else Claim.ProofState.WAITING


def _move(claim: Claim, action: str, who: str, text: str) -> None:
    with transaction.atomic():
        Claim.LIFECYCLE.move(claim, action)
        _note(claim, who, text)
        _tell(claim)
        push("desk", "desk.changed")


def _end(claim: Claim, action: str, who: str, text: str) -> bool:
    try:
        _move(claim, action, who, text)
    except WrongState:
        return False
    return True


def _note(claim: Claim, who: str, text: str) -> None:
    ClaimNote.objects.create(claim=claim, who=who, text=text[:600])


def _tell(claim: Claim) -> None:
    push(f"claim-{claim.pk}", "claim.changed")
