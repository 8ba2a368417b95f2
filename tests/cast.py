"""The people and twins of the tests, on a real host: every twin here is a process of its own.

Ana claims and owns, Ben is a stranger who owns another twin, Cora is a curator, Dan owns the reader,
Eve has an account and nothing else. A pytest plugin, named in ``addopts``.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import cache
from django.test import Client

from portal import keyring
from portal.models import User
from twins import mesh
from twins.host.client import HostClient, HostError, HostUnreachable
from twins.models import Twin
from twins.operations import driver
from twins.runtime.client import KeySigner, TwinClient
from twins.services import directory

PASSWORD = "a long and quiet password"
SLICES = [
    {
        "name": "catalogue",
        "title": "Catalogue",
        "kind": "products",
        "listed": True,
        "sensitivity": "internal",
    },
    {"name": "recalls", "title": "Recalls", "kind": "recalls", "listed": True, "sensitivity": "internal"},
    {"name": "margins", "title": "Margins", "kind": "prices", "listed": False, "sensitivity": "confidential"},
]
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Cast:
    ana: User
    ben: User
    cora: User
    dan: User
    eve: User


PlantTwin = Callable[..., Twin]


@pytest.fixture(autouse=True)
def fresh_limits() -> None:
    """No test pays for the attempts of another."""
    cache.clear()


@pytest.fixture(scope="session")
def host() -> Iterator[HostClient]:
    """A host for this run's home, as ``up`` starts it."""
    command = [sys.executable, "-m", "twins.host", "serve", "--home", str(settings.MYCELIUM_HOME)]
    process = subprocess.Popen([*command, "--allow", "127.0.0.0/8", "--allow-port", "any"])
    client = HostClient(settings.MYCELIUM_HOME)
    for _ in range(600):
        try:
            client.ping()
            break
        except (HostError, HostUnreachable):
            assert process.poll() is None, "the host ended"
            time.sleep(0.05)
    yield client
    process.terminate()
    process.wait(30)


@pytest.fixture
def cast(db: None) -> Cast:
    """Five people with passwords and keys."""
    people = {
        name: User.objects.create_user(f"{name}@people.example", PASSWORD, name.capitalize())
        for name in ("ana", "ben", "cora", "dan", "eve")
    }
    people["cora"].is_curator = True
    people["cora"].save()
    return Cast(**people)


@pytest.fixture
def plant_twin(host: HostClient, cast: Cast) -> PlantTwin:
    """Enter a twin and set it up: owned by ``owner``, else virtual and kept by Cora and the platform."""

    def plant(
        slug: str = "acme", owner: User | None = None, parent: Twin | None = None, **genesis: Any
    ) -> Twin:
        name = f"{slug}-{next(_numbers)}"
        held: dict[str, Any] = {"custody": mesh.platform_custodian() | named(cast.cora), "owner": None}
        if owner:
            held = {"custody": None, "owner": named(owner)}
        operation = directory.enter(
            slug=name,
            name=slug.capitalize(),
            kind="manufacturer",
            parent=parent,
            owner=owner,
            genesis={**held, "admins": {}, "slices": SLICES, "senses": [], **genesis},
            placement={"tier": "shared", "region": "this machine", "keep_awake": False},
        )
        driver.run(operation.pk)
        operation.refresh_from_db()
        assert operation.state == "done", operation.error
        return Twin.objects.get(slug=name)

    return plant


def named(user: User) -> dict[str, dict[str, str]]:
    """The person as a genesis names one."""
    return {user.subject: {"name": user.name, "key": user.public_key}}


def signer_of(user: User) -> KeySigner:
    """What the person signs with."""
    return KeySigner(user.subject, keyring.open_sealed_key(user, PASSWORD))


def client_of(twin: Twin, user: User) -> TwinClient:
    """The twin's interface as the person reaches it."""
    return mesh.client(twin, signer_of(user))


def browser_of(user: User) -> Client:
    """A browser without scripts in which the person has signed in."""
    browser = Client()
    answer = browser.post("/accounts/login/", {"username": user.email, "password": PASSWORD})
    assert answer.status_code == 302
    return browser
