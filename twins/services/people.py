"""Who acts for a twin. The twin decides and stores it; the membership here only lets people find it."""

from __future__ import annotations

from portal.models import User
from twins import mesh
from twins.models import Membership, Twin
from twins.runtime.client.signer import Signer


def add(twin: Twin, signer: Signer, person: User, role: str) -> None:
    """Make the person an owner or admin, under the key they have now. Raises TwinError as the twin does."""
    who = {"user": person.subject, "name": person.name, "role": role, "key": person.public_key}
    mesh.client(twin, signer).call("add_person", who)
    Membership.objects.get_or_create(user=person, twin=twin, role=role)


def remove(twin: Twin, signer: Signer, subject: str, role: str) -> None:
    """Take a role from somebody. Raises TwinError, also for the last owner, who stays.

    A role that the twin does not know any more only leaves the directory.
    """
    try:
        mesh.client(twin, signer).call("remove_person", {"user": subject, "role": role})
    except mesh.TwinError as refusal:
        if refusal.status != 404:
            raise
    for membership in twin.memberships.filter(role=role).select_related("user"):
        if membership.user.subject == subject:
            membership.delete()
