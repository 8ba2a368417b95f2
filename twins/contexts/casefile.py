"""A claim as pages show it: its steps, its proof, its timeline."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.urls import reverse

from twins import proofs
from twins.models import Claim, Operation
from twins.operations.driver import steps_of

CHANGES = [
    ("A curator acts for the twin", "You do; the curator's hold is deleted in the same commit"),
    ("The platform's credential opens it", "The platform is refused like any stranger"),
    ("The twin signs with the key it was made with", "It signs with a new key"),
    ("Grants were written on its behalf", "Each waits for you to keep or revoke it"),
    ("Its senses read public sources", "You choose what feeds it"),
]
_TITLES = ("Entity", "Role", "Proof", "Review", "Handover")
_REACHED = {"open": 2, "review": 3, "more": 3, "handover": 4, "claimed": 5}


def context(claim: Claim) -> dict[str, Any]:
    """Everything that the claim's page and its live fragment need."""
    return {
        "claim": claim,
        "twin": claim.twin,
        "steps": steps(claim),
        "proof": proof(claim),
        "timeline": claim.notes.all(),
        "operation": claim.operation,
        "operation_steps": _operation(claim.operation) if claim.operation else [],
        "checklist": checklist(claim),
    }


def steps(claim: Claim) -> list[dict[str, str]]:
    """The five named steps, each done, now, wait or bad."""
    texts = (
        claim.twin.name,
        claim.role,
        _proof_text(claim),
        claim.get_state_display() if claim.state in ("review", "more", "declined") else "",
        "" if claim.operation is None else claim.operation.get_state_display(),
    )
    ended = claim.state in ("declined", "withdrawn", "expired")
    proved = claim.proof_state == Claim.ProofState.PASSED
    reached = (3 if proved else 2) if ended else _REACHED[claim.state]
    return [
        {"title": title, "text": text, "state": _state(number, reached, ended)}
        for number, (title, text) in enumerate(zip(_TITLES, texts, strict=True))
    ]


def _proof_text(claim: Claim) -> str:
    if claim.proof_state == Claim.ProofState.PASSED:
        return f"found on {claim.domain}"
    return claim.message or "not looked for yet"


def proof(claim: Claim) -> dict[str, Any]:
    """What was expected where, what was found, and when the next look comes."""
    kind = proofs.KINDS[claim.proof]
    wanted = kind.instructions(claim.domain, claim.token, claim.claimant.public_key)
    again = claim.checked_at + timedelta(minutes=1) if claim.checked_at and claim.state == "open" else None
    return {
        "kind": kind.name,
        "title": kind.title,
        "state": claim.proof_state,
        "state_text": claim.get_proof_state_display(),
        "expected_url": wanted.url,
        "expected_body": wanted.body,
        "found": claim.found,
        "message": claim.message,
        "checked_at": claim.checked_at,
        "next_check": again,
    }


def checklist(claim: Claim) -> list[dict[str, Any]]:
    """What a new owner does first; empty until the twin is theirs."""
    if claim.state != Claim.State.CLAIMED:
        return []
    slug = claim.twin.slug
    return [
        {
            "title": "Review the grants written on its behalf",
            "text": "Keep each or revoke it.",
            "url": reverse("console-grants", args=[slug]),
            "done": False,
        },
        {
            "title": "Keep or replace its senses",
            "text": "Readers notice nothing but the new data.",
            "url": reverse("senses", args=[slug]),
            "done": False,
        },
        {
            "title": "Read its audit",
            "text": "Everything that was done before you came is in it.",
            "url": reverse("audit", args=[slug]),
            "done": False,
        },
    ]


def _operation(operation: Operation) -> list[dict[str, Any]]:
    """The handover's steps; what went wrong inside is for operators."""
    rows = steps_of(operation)
    for row in rows:
        if row.get("error") and operation.state != Operation.State.FAILED:
            row["error"] = "This has not worked yet; it is tried again by itself."
    return rows


def _state(number: int, reached: int, ended: bool) -> str:
    if number < reached:
        return "done"
    if number > reached:
        return "wait"
    return "bad" if ended else "now"
