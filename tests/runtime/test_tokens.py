"""Tokens: what does not hold gets one and the same answer."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.runtime.conftest import Make
from tests.runtime.machine import Machine, entry, person, raw
from twins.runtime.client import KeySigner, generate_key
from twins.runtime.ids import new_ulid
from twins.runtime.keys import KeyStore
from twins.runtime.tokens import sign

Forge = Callable[[Machine], str]


def owner_token(
    machine: Machine, *, key: bytes | None = None, aud: str | None = None, sub: str | None = None
) -> str:
    me = machine.owner.subject
    return sign(key or machine.owner.key, iss=me, sub=sub or me, aud=aud or machine.id, seconds=60)


def claims(machine: Machine, **changes: object) -> dict[str, object]:
    now, me = int(time.time()), machine.owner.subject
    return {"iss": me, "sub": me, "aud": machine.id, "iat": now, "exp": now + 60, **changes}


def signed(machine: Machine, **changes: object) -> str:
    given = {name: value for name, value in claims(machine, **changes).items() if value is not None}
    key = Ed25519PrivateKey.from_private_bytes(machine.owner.key)
    return jwt.api_jws.encode(json.dumps(given).encode(), key, algorithm="EdDSA")


FORGERIES: dict[str, Forge] = {
    "nothing": lambda _: "",
    "garbage": lambda _: "garbage",
    "three parts of garbage": lambda _: "a.b.c",
    "another twin's": lambda m: owner_token(m, aud=new_ulid()),
    "another key": lambda m: owner_token(m, key=generate_key()),
    "a stranger's": lambda m: person().token(m.id),
    "for somebody else": lambda m: owner_token(m, sub=person().subject),
    "expired": lambda m: signed(m, iat=int(time.time()) - 100, exp=int(time.time()) - 1),
    "from the future": lambda m: signed(m, iat=int(time.time()) + 600, exp=int(time.time()) + 660),
    "too long": lambda m: signed(m, exp=int(time.time()) + 7200),
    "without an end": lambda m: signed(m, exp=None),
    "an end in letters": lambda m: signed(m, exp=str(int(time.time()) + 60)),
    "an end with a fraction": lambda m: signed(m, exp=time.time() + 60),
    "an end that is true": lambda m: signed(m, iat=0, exp=True),
    "without an audience": lambda m: signed(m, aud=None),
    "for several audiences": lambda m: signed(m, aud=[m.id, new_ulid()]),
    "a number as issuer": lambda m: signed(m, iss=7),
    "unsigned": lambda m: jwt.encode(claims(m), "", algorithm="none"),
    "HMAC with the public key": lambda m: jwt.encode(
        claims(m), m.client(None).about()["key"]["x"].encode(), algorithm="HS256"
    ),
    "the sense's": lambda m: KeySigner("agent:sense", m.owner.key).token(m.id),
    "the vault's": lambda m: KeySigner("agent:vault", m.owner.key).token(m.id),
    "as the twin itself": lambda m: KeySigner(f"twin:{m.id}", m.owner.key).token(m.id),
    "with one letter changed": lambda m: owner_token(m)[:-10] + "AAAAAAAAAA",
}


def test_every_token_that_does_not_hold_gets_the_same_answer(twin: Machine) -> None:
    answers = {name: raw(twin, "/v1/slices", forge(twin)) for name, forge in FORGERIES.items()}
    assert {name for name, (status, _) in answers.items() if status != 401} == set()
    assert len({body for _, body in answers.values()}) == 1
    assert raw(twin, "/v1/slices", owner_token(twin))[0] == 200
    assert {record["caller"] for record in twin.records()} == {f"twin:{twin.id}", "agent:vault"}


def test_the_twins_own_key_vouches_for_a_role_and_only_there(standing: Machine) -> None:
    owner = standing.run("token", "--as", "user:ops", "--role", "owner").stdout.strip()
    nobody = standing.run("token", "--as", "user:ops").stdout.strip()
    assert raw(standing, "/v1/people", owner)[0] == 200
    assert raw(standing, "/v1/people", nobody)[0] == 403


def test_an_auditor_reads_the_log_and_changes_nothing(standing: Machine) -> None:
    auditor = standing.run("token", "--as", "user:eye", "--role", "auditor", "--json")
    token = json.loads(auditor.stdout)["token"]
    assert raw(standing, "/v1/log", token)[0] == 200
    assert raw(standing, "/v1/verify", token)[0] == 200
    assert raw(standing, "/v1/slices/catalogue/objects", token)[0] == 403
    body = '{"slice":"catalogue","id":"a","body":{}}'
    assert raw(standing, "/v1/call/put", token, "POST", body)[0] == 403


def test_a_role_that_a_person_gives_themselves_is_not_honoured(make: Make) -> None:
    admin = person()
    machine = make(admins=entry(admin)).start()
    me = admin.subject
    token = sign(admin.key, iss=me, sub=me, aud=machine.id, seconds=60, role="owner")
    assert raw(machine, "/v1/people", token)[0] == 200
    assert raw(machine, "/v1/call/rotate_key", token, "POST", "{}")[0] == 403


@pytest.mark.parametrize("subject", ["agent:sense", "agent:clock", "twin:x", "user:*", "user:a b"])
def test_no_token_names_a_part_of_the_runtime_or_everybody(standing: Machine, subject: str) -> None:
    key = KeyStore(standing.directory).signing_key(standing.client(None).about()["kid"])
    token = sign(key, iss=f"twin:{standing.id}", sub=subject, aud=standing.id, seconds=60, role="owner")
    assert raw(standing, "/v1/slices", token)[0] == 401


def test_an_unknown_role_is_not_honoured(standing: Machine) -> None:
    assert standing.run("token", "--as", "user:ops", "--role", "king").returncode == 2
