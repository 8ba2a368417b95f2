from __future__ import annotations

import pytest
from django.test import Client

from portal import keyring
from portal.models import User
from tests.cast import PASSWORD, Cast, browser_of

SIGN_UP = {"name": "Nora", "email": "Nora@people.example", "password": "seven quiet rivers"}


def test_a_newcomer_signs_up_and_goes_on_where_they_were(db: None) -> None:
    answer = Client().post("/accounts/signup/", {**SIGN_UP, "next": "/grants/"})
    assert answer.status_code == 302
    assert answer["Location"] == "/grants/"
    assert User.objects.get().email == "nora@people.example"


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/", "javascript:alert(1)"])
def test_sign_up_never_leads_to_a_foreign_address(db: None, target: str) -> None:
    assert Client().post("/accounts/signup/", {**SIGN_UP, "next": target})["Location"] == "/"


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("password", "short", "too short"),
        ("password", "password123", "too common"),
        ("email", "no-address", "valid email"),
        ("name", "", "required"),
    ],
)
def test_bad_input_is_answered_beside_the_field(db: None, field: str, value: str, sentence: str) -> None:
    answer = Client().post("/accounts/signup/", {**SIGN_UP, field: value})
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert not User.objects.exists()


def test_an_unknown_address_and_a_wrong_password_read_the_same(cast: Cast) -> None:
    def refusal(username: str) -> str:
        answer = Client().post("/accounts/login/", {"username": username, "password": "wrong"})
        assert answer.status_code == 200
        return answer.content.decode().replace(username, "")

    assert _without_token(refusal(cast.ana.email)) == _without_token(refusal("nobody@people.example"))


def test_sign_in_pauses_after_too_many_attempts(cast: Cast) -> None:
    browser = Client()
    codes = [
        browser.post("/accounts/login/", {"username": cast.ana.email, "password": "wrong"}).status_code
        for _ in range(12)
    ]
    assert codes[:10] == [200] * 10
    assert codes[10:] == [429, 429]


def test_the_key_is_not_readable_in_the_database(cast: Cast) -> None:
    seed = keyring.open_sealed_key(cast.ana, PASSWORD)
    assert seed.hex() not in repr(vars(User.objects.get(pk=cast.ana.pk)))
    with pytest.raises(keyring.KeyLocked):
        keyring.open_sealed_key(cast.ana, "another password")


def test_a_cookie_of_one_person_opens_nothing_for_another(cast: Cast) -> None:
    cookies = {name: morsel.value for name, morsel in browser_of(cast.ana).cookies.items()}
    assert keyring.signer_of(cast.ana, cookies).token("0" * 26)
    with pytest.raises(keyring.KeyLocked):
        keyring.signer_of(cast.eve, cookies)


def test_signing_out_takes_the_key_out_of_the_browser(cast: Cast) -> None:
    browser = browser_of(cast.ana)
    assert browser.cookies[keyring.COOKIE].value
    assert browser.cookies[keyring.COOKIE]["httponly"]
    browser.post("/accounts/logout/")
    assert not browser.cookies[keyring.COOKIE].value


def _without_token(page: str) -> str:
    return "\n".join(line for line in page.splitlines() if "csrfmiddlewaretoken" not in line)
