"""Putting a claimed twin into its owner's hands.

The one step that matters is a single commit of that twin: the curator's hold goes, the owner's tuple and
key come, the twin's own key changes. What stands around it only checks and records.
"""

from __future__ import annotations

from typing import Any

from ledger.queries import the_ledger
from ledger.services import register as register_in_ledger
from twins import mesh
from twins.models import Claim
from twins.operations.driver import GiveUp, Kind, Step, register
from twins.services import claims


def declare() -> None:
    """Make the kind known. ``args``: ``claim`` (uuid)."""
    steps = (
        Step("proof", "Check the proof once more", _proof),
        Step("transfer", "Hand the twin over, in one commit", _transfer),
        Step("refuse", "See that the platform is refused", _refuse),
        Step("record", "Enter the owner in the directory", _record),
        Step("ledger", "Let it take part in the ledger", _ledger),
    )
    register(Kind("handover", steps, failed=_failed))


def _claim(args: dict[str, Any]) -> Claim:
    return Claim.objects.select_related("twin", "claimant").get(pk=args["claim"])


def _approved(args: dict[str, Any]) -> Claim:
    """The claim, which must still be in handover: a later verdict stops an operation that is retried."""
    claim = _claim(args)
    if claim.state != Claim.State.HANDOVER:
        raise GiveUp(f"The claim is {claim.get_state_display().lower()}: nothing is handed over.")
    return claim


def _proof(args: dict[str, Any]) -> str:
    claim = _approved(args)
    found = claims.look(claim)
    if not found.ok:
        raise GiveUp(f"The proof is gone: {found.message}")
    return found.message


def _transfer(args: dict[str, Any]) -> str:
    claim = _approved(args)
    owner = {
        "owner": claim.claimant.subject,
        "owner_name": claim.claimant.name,
        "owner_key": claim.claimant.public_key,
    }
    twin = mesh.client(claim.twin, mesh.platform_signer())
    done = twin.call("claim", owner, idempotency_key=f"claim:{claim.pk}")
    return (
        f"entry {done.seq}: the curator's hold is gone, {claim.claimant.name} owns the twin, its key is new"
    )


def _refuse(args: dict[str, Any]) -> str:
    claim = _claim(args)
    try:
        mesh.client(claim.twin, mesh.platform_signer()).get("/v1/log", {"limit": 1})
    except mesh.TwinError as refusal:
        if refusal.status == 403:
            return "the platform's credential was refused with 403"
        raise
    raise GiveUp("The twin still answers the platform: it was not handed over.")


def _ledger(args: dict[str, Any]) -> str:
    claim, ledger = _claim(args), the_ledger()
    if ledger is None:
        return "this mesh has no ledger"
    try:
        register_in_ledger(ledger, claim.twin)
    except mesh.TwinError as refusal:
        return f"the ledger refused: {refusal.detail}"
    return f"{claim.twin.name} can send and receive documents"


def _record(args: dict[str, Any]) -> str:
    claim = _claim(args)
    claims.complete(claim)
    return f"{claim.claimant.name} finds it under My twins"


def _failed(args: dict[str, Any], error: str) -> None:
    """Back to the curators, unless the twin says that it is in its owner's hands already."""
    claim = _claim(args)
    about = mesh.about(claim.twin)
    if about is not None and about["state"] == "virtual":
        claims.take_back(claim, error)
