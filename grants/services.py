"""Asking for a grant, deciding, revoking. The deciding act is a call to the target twin, signed by the person
who decides; the row here follows what the twin answered.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from grants.models import Grant, GrantNote
from portal.models import User
from portal.push import push
from twins import mesh
from twins.contexts.figure import instant
from twins.models import Twin
from twins.runtime.client.signer import Signer

REQUEST_LIVES = timedelta(days=30)


class AlreadyOpen(Exception):
    """There is a request or a grant for the same reader and slice; the text is for people."""


def ask(
    target: Twin,
    reader: Twin,
    by: User,
    *,
    slice: str,  # noqa: A002 -- its name in the protocol and in the form
    purpose: str,
    days: int,
    contact: str,
) -> Grant:
    """Ask for a slice. Raises AlreadyOpen for the same ask twice."""
    fields = {"slice": slice, "purpose": purpose, "days": days, "contact": contact}
    try:
        with transaction.atomic():
            grant = Grant.objects.create(target=target, reader=reader, asked_by=by, **fields)
            _note(grant, by.name, f"asks for {slice} for {days} days: {purpose}")
    except IntegrityError:
        raise AlreadyOpen(
            f"{reader.name} already has a request or a grant for {slice} of {target.name}."
        ) from None
    return grant


def approve(grant: Grant, by: User, signer: Signer, expires_at: datetime) -> None:
    """Write the grant's one tuple in the target twin. Raises WrongState, or TwinError as the twin does.

    The row is taken first, so that nobody withdraws meanwhile; an approval that broke off is taken up again.
    """
    if grant.state != Grant.State.APPROVING:
        Grant.LIFECYCLE.move(grant, "take")
    try:
        written = _written(grant, signer) or _write(grant, signer, expires_at)
    except mesh.TwinError:
        Grant.LIFECYCLE.move(grant, "put back")
        raise
    with transaction.atomic():
        Grant.LIFECYCLE.move(
            grant,
            "approve",
            decided_by=by,
            decided_at=timezone.now(),
            not_before=instant(written["not_before"]),
            expires_at=instant(written["expires_at"]),
        )
        _note(grant, by.name, f"approved until {grant.expires_at:%-d %b %Y %H:%M} UTC")
        _tell(grant)


def decline(grant: Grant, by: User, signer: Signer, reason: str) -> None:
    """Refuse the request, with a reason; what an approval that broke off wrote in the twin is revoked."""
    Grant.LIFECYCLE.after(grant.state, "decline")
    if grant.state == Grant.State.APPROVING and _written(grant, signer):
        mesh.client(grant.target, signer).call("revoke", {"grant_id": grant.grant_id, "reason": reason})
    with transaction.atomic():
        said = {"decided_by": by, "decided_at": timezone.now(), "ended_at": timezone.now(), "reason": reason}
        Grant.LIFECYCLE.move(grant, "decline", **said)
        _note(grant, by.name, f"declined: {reason}")
        _tell(grant)


def withdraw(grant: Grant, by: User) -> None:
    """The reader's side takes the request back."""
    with transaction.atomic():
        Grant.LIFECYCLE.move(grant, "withdraw", ended_at=timezone.now())
        _note(grant, by.name, "withdrew the request")
        _tell(grant)


def revoke(grant: Grant, by: User, signer: Signer, reason: str) -> None:
    """End the grant at once: the twin deletes the tuple and closes what is open."""
    Grant.LIFECYCLE.after(grant.state, "revoke")
    try:
        mesh.client(grant.target, signer).call("revoke", {"grant_id": grant.grant_id, "reason": reason})
    except mesh.TwinError as refusal:
        if refusal.status != 409:  # ended in the twin already: the row only has to follow
            raise
    with transaction.atomic():
        Grant.LIFECYCLE.move(grant, "revoke", ended_at=timezone.now(), reason=reason)
        _note(grant, by.name, f"revoked: {reason}")
        _tell(grant)


def confirm(grant: Grant, by: User, signer: Signer) -> None:
    """A new owner keeps a grant that a curator wrote on the twin's behalf."""
    mesh.client(grant.target, signer).call("confirm_grant", {"grant_id": grant.grant_id})
    _note(grant, by.name, "keeps the grant that the curator wrote")


def settle() -> int:
    """Label what time has ended: requests nobody answered, windows that closed; how many."""
    now = timezone.now()
    lapsed = Grant.objects.filter(state=Grant.State.REQUESTED, asked_at__lt=now - REQUEST_LIVES)
    expired = Grant.objects.filter(state=Grant.State.ACTIVE, expires_at__lte=now)
    ended = [(grant, "lapse", "nobody answered in 30 days") for grant in lapsed]
    ended += [(grant, "expire", "the window ended") for grant in expired]
    for grant, action, text in ended:
        with transaction.atomic():
            Grant.LIFECYCLE.move(grant, action, ended_at=now)
            _note(grant, "Mycelium", text)
            _tell(grant)
    return len(ended)


def _written(grant: Grant, signer: Signer) -> dict[str, Any] | None:
    """The grant as the twin has it in force, if an earlier attempt got that far."""
    rows: list[dict[str, Any]] = mesh.client(grant.target, signer).get("/v1/grants")["grants"]
    return next((row for row in rows if (row["grant_id"], row["status"]) == (grant.grant_id, "active")), None)


def _write(grant: Grant, signer: Signer, expires_at: datetime) -> dict[str, Any]:
    reader = mesh.client(grant.reader).about()
    arguments = {
        "grant_id": grant.grant_id,
        "reader": grant.reader.subject,
        "reader_name": grant.reader.name,
        "reader_key": reader["key"]["x"],
        "slice": grant.slice,
        "purpose": grant.purpose,
        "not_before": _rfc3339(timezone.now()),
        "expires_at": _rfc3339(expires_at),
    }
    mesh.client(grant.target, signer).call("grant", arguments)
    return arguments


def _rfc3339(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _note(grant: Grant, who: str, text: str) -> None:
    GrantNote.objects.create(grant=grant, who=who, text=text[:400])


def _tell(grant: Grant) -> None:
    push(f"grant-{grant.pk}", "grant.changed")
