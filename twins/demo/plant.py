"""Planting the demonstration mesh: its people, its twins, and what the partners hold."""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from ledger import services as ledger
from portal import keyring
from portal.models import User
from twins import mesh
from twins.demo.mesh import MeshTwin
from twins.demo.mesh import mesh as demo_mesh
from twins.models import Operation, Twin
from twins.operations import driver
from twins.runtime.client import KeySigner
from twins.services import directory

Report = Callable[[str], None]
LONGEST = 300.0
REST_AFTER = 5  # seconds: hundreds of virtual twins are set up one after another, and wake in milliseconds


@dataclass(frozen=True)
class Person:
    """One of the demo's cast, and the slugs of the twins that the person owns."""

    email: str
    name: str
    role: str
    owns: tuple[str, ...] = ()
    flags: Mapping[str, bool] | None = None


CAST = (
    Person("cora@mycelium.example", "Cora", "curator", flags={"is_curator": True}),
    Person(
        "olga@forus.example",
        "Olga",
        "operator, owner of FORUS Digital",
        ("forus", "ioboxx"),
        {"is_operator": True},
    ),
    Person("dan@csp.example", "Dan", "owner of CSP", ("csp",)),
    Person("eva@eca.example", "Eva", "owner of ECA", ("eca",)),
    Person("gus@goodforus.example", "Gus", "owner of GOODFORUS", ("goodforus",)),
    Person("sue@sti.example", "Sue", "owner of STI", ("sti",)),
)


def plant(feed_url: str, report: Report) -> list[str]:
    """Plant what is not there yet, and give the sign-ins as lines to print.

    Planting twice, or again after a crash, does no harm. Raises TimeoutError when the twins do not get ready.
    """
    notes = _notes()
    signs = [f"  {person.email:24} {person.role}" for person in CAST]
    signs = ["Demo sign-ins, all with the password " + notes["password"], *signs]
    if notes.get("planted"):
        return signs
    people = {person.email: _person(person, notes["password"]) for person in CAST}
    owners = {slug: people[person.email] for person in CAST for slug in person.owns}
    twins = demo_mesh()
    report(f"Setting up {len(twins)} twins, each with a process, a directory and a key of its own")
    curator = people["cora@mycelium.example"]
    _enter_ledger(curator)
    for twin in twins:
        _enter(twin, owners.get(twin.slug), curator, feed_url)
    _wait(["provision:ledger", *(f"provision:{twin.slug}" for twin in twins)], report)
    for twin in twins:
        if twin.slug in owners:
            _fill(twin, owners[twin.slug], notes["password"])
            ledger.register(Twin.objects.get(slug=ledger.SLUG), Twin.objects.get(slug=twin.slug))
    _keep(notes | {"planted": True})
    return signs


def _person(person: Person, password: str) -> User:
    found = User.objects.filter(email=person.email).first()
    return found or User.objects.create_user(person.email, password, person.name, **(person.flags or {}))


def _enter(twin: MeshTwin, owner: User | None, curator: User, feed_url: str) -> None:
    held: dict[str, Any] = {"custody": mesh.platform_custodian() | _named(curator), "owner": None}
    if owner:
        held = {"custody": None, "owner": _named(owner)}
    directory.enter(
        slug=twin.slug,
        name=twin.name,
        kind=twin.kind,
        parent=Twin.objects.get(slug=twin.parent) if twin.parent else None,
        summary=twin.summary,
        place=twin.place,
        owner=owner,
        genesis={**held, "admins": {}, "slices": _slices(twin), "senses": _senses(twin, feed_url)},
        placement={
            "tier": "shared",
            "region": "this machine",
            "keep_awake": twin.keep_awake,
            "idle_seconds": REST_AFTER,
        },
    )


def _enter_ledger(curator: User) -> None:
    directory.enter(
        slug=ledger.SLUG,
        name="The ledger",
        kind=Twin.Kind.LEDGER,
        parent=None,
        summary="The neutral twin that holds documents between two others; each reads only its own.",
        genesis={"custody": mesh.platform_custodian() | _named(curator)},
        placement={"tier": "shared", "region": "this machine", "module": "ledger.module"},
    )


def _named(user: User) -> dict[str, dict[str, str]]:
    return {user.subject: {"name": user.name, "key": user.public_key}}


def _slices(twin: MeshTwin) -> list[dict[str, Any]]:
    fields = ("name", "title", "kind", "listed", "sensitivity")
    return [{field: getattr(piece, field) for field in fields} for piece in twin.slices]


def _senses(twin: MeshTwin, feed_url: str) -> list[dict[str, Any]]:
    if not twin.feed:
        return []
    url = f"{feed_url.rstrip('/')}{twin.feed}"
    target = {"catalogue": "catalogue", "recalls": "recalls"}
    return [
        {
            "name": "fda",
            "kind": "feed",
            "title": "FDA public data",
            "url": url,
            "target": target,
            "every": 3600,
        }
    ]


def _wait(keys: list[str], report: Report) -> None:
    deadline, told = time.monotonic() + LONGEST, 0
    while time.monotonic() < deadline:
        rows = Operation.objects.filter(key__in=keys)
        if failed := rows.filter(state=Operation.State.FAILED).first():
            driver.retry(failed)
        done = rows.filter(state=Operation.State.DONE).count()
        if done == len(keys):
            return
        if done >= told + 50:
            told = done
            report(f"{done} of {len(keys)} twins are set up")
        time.sleep(0.2)
    raise TimeoutError(
        f"The demo's twins were not set up within {LONGEST:.0f} seconds; see the operations page."
    )


def _fill(twin: MeshTwin, owner: User, password: str) -> None:
    """Put the partner's own objects, signed by its owner."""
    signer = KeySigner(owner.subject, keyring.open_sealed_key(owner, password))
    client = mesh.client(Twin.objects.get(slug=twin.slug), signer)
    for piece in twin.slices:
        rows = [
            {"id": row["id"], "body": {k: v for k, v in row.items() if k != "id"}} for row in piece.objects
        ]
        if rows:
            client.call(
                "put_many", {"slice": piece.name, "objects": rows}, idempotency_key=f"demo:{piece.name}"
            )


def _path() -> Path:
    home: Path = settings.MYCELIUM_HOME
    return home / "demo.json"


def _notes() -> dict[str, Any]:
    """The demo's password, made once per installation and readable by the portal's user alone."""
    if not _path().exists():
        _keep({"password": secrets.token_urlsafe(9)})
    notes: dict[str, Any] = json.loads(_path().read_text())
    return notes


def _keep(notes: dict[str, Any]) -> None:
    draft = _path().with_suffix(".new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(notes, file)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(_path())
