"""The settings file under one environment after another."""

from __future__ import annotations

import runpy
import stat
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.core.exceptions import ImproperlyConfigured
from hypothesis import given
from hypothesis import strategies as st

from portal import environment

SETTINGS = Path(__file__).resolve().parents[2] / "portal" / "settings.py"
SERVICES = (
    "DATABASE_URL",
    "REDIS_URL",
    "MYCELIUM_OUTBOUND_ALLOW",
    "MYCELIUM_OUTBOUND_PORTS",
    "DATABASE_POOL",
)


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch, home: Path) -> pytest.MonkeyPatch:
    """An environment without any of our variables but the home."""
    for name in SERVICES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MYCELIUM_HOME", str(home))
    return monkeypatch


def settings() -> dict[str, Any]:
    return runpy.run_path(str(SETTINGS))


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("PORT", "eighty", "a whole number from 1 to 65535"),
        ("PORT", "70000", "a whole number from 1 to 65535"),
        ("PORT", "-1", "a whole number from 1 to 65535"),
        ("DATABASE_POOL", "0", "a whole number from 1 to 100"),
        ("DATABASE_URL", "mysql://root:hunter2@db/x", "starts with postgres://"),
        ("DATABASE_URL", "postgres://u:hunter2@db:port/x", "an address such as postgres://"),
        ("DATABASE_URL", "hunter2", "starts with postgres://"),
        ("REDIS_URL", "http://:hunter2@cache", "starts with redis://"),
        ("PUBLIC_URL", "mycelium.example.org", "starts with http://"),
        ("PUBLIC_URL", "https:///x", "an address such as https://"),
        ("ROUTER_URL", "ftp://router", "starts with http://"),
        ("MYCELIUM_OUTBOUND_ALLOW", "10.0.0.0/33", "networks such as 127.0.0.0/8"),
        ("MYCELIUM_OUTBOUND_ALLOW", "10.0.0.1/8", "networks such as 127.0.0.0/8"),
        ("MYCELIUM_OUTBOUND_PORTS", "8443,https", "ports such as 8443"),
        ("MYCELIUM_OUTBOUND_PORTS", "0", "ports such as 8443"),
        ("LOG_LEVEL", "LOUD", "one of DEBUG, INFO, WARNING, ERROR"),
        ("SECRET_KEY_FILE", "/nowhere/hunter", "a readable text file"),
        ("MYCELIUM_HOME", "/proc/hunter2/home", "a folder that can be made"),
    ],
)
def test_an_impossible_value_names_the_variable_and_what_was_expected(
    environ: pytest.MonkeyPatch, name: str, value: str, expected: str
) -> None:
    environ.setenv(name, value)
    with pytest.raises(ImproperlyConfigured) as error:
        settings()
    assert name in str(error.value)
    assert expected in str(error.value)
    assert "hunter2" not in str(error.value)


def test_without_any_variable_everything_lives_in_the_home(environ: pytest.MonkeyPatch, home: Path) -> None:
    found = settings()
    assert found["DATABASES"]["default"]["NAME"] == f"{home}/portal.sqlite3"
    assert found["CELERY_BROKER_URL"].startswith("memory://")
    assert found["OUTBOUND_ALLOW"] == ("127.0.0.0/8",)
    assert found["DEBUG"] is False


def test_a_real_service_closes_private_networks_to_outbound_fetches(environ: pytest.MonkeyPatch) -> None:
    environ.setenv("REDIS_URL", "redis://cache:6379/0")
    assert settings()["OUTBOUND_ALLOW"] == ()
    environ.setenv("MYCELIUM_OUTBOUND_ALLOW", "10.0.0.0/8, fd00::/8")
    assert settings()["OUTBOUND_ALLOW"] == ("10.0.0.0/8", "fd00::/8")
    environ.setenv("MYCELIUM_OUTBOUND_ALLOW", "none")
    assert settings()["OUTBOUND_ALLOW"] == ()


def test_the_secret_is_made_once_and_only_its_owner_can_read_it(
    environ: pytest.MonkeyPatch, home: Path
) -> None:
    first = settings()["SECRET_KEY"]
    assert settings()["SECRET_KEY"] == first
    assert len(first) >= 50
    assert stat.S_IMODE((home / "secret.key").stat().st_mode) == 0o600
    assert sorted(path.name for path in home.iterdir()) == ["secret.key"]


def test_a_missing_home_is_made_for_its_owner_alone(environ: pytest.MonkeyPatch, home: Path) -> None:
    environ.setenv("MYCELIUM_HOME", str(home / "deep" / "new"))
    settings()
    assert stat.S_IMODE((home / "deep" / "new").stat().st_mode) == 0o700


def test_a_secret_may_come_from_a_file_but_not_from_two_places(
    environ: pytest.MonkeyPatch, home: Path
) -> None:
    (home / "key").write_text("from the file\n")
    environ.setenv("SECRET_KEY_FILE", str(home / "key"))
    assert settings()["SECRET_KEY"] == "from the file"
    environ.setenv("SECRET_KEY", "from the variable")
    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY and SECRET_KEY_FILE are both set"):
        settings()


def test_cookies_are_secure_exactly_when_people_come_over_https(environ: pytest.MonkeyPatch) -> None:
    plain = settings()
    assert not plain["SESSION_COOKIE_SECURE"]
    assert plain["SECURE_PROXY_SSL_HEADER"] is None
    environ.setenv("PUBLIC_URL", "https://mycelium.example.org/")
    public = settings()
    assert public["SESSION_COOKIE_SECURE"]
    assert public["CSRF_COOKIE_SECURE"]
    assert public["CSRF_TRUSTED_ORIGINS"] == ["https://mycelium.example.org"]


def test_a_public_portal_answers_to_no_other_name(environ: pytest.MonkeyPatch) -> None:
    environ.setenv("PUBLIC_URL", "https://mycelium.example.org")
    assert settings()["ALLOWED_HOSTS"] == ["mycelium.example.org"]
    environ.setenv("ALLOWED_HOSTS", "10.1.2.3, probe.internal")
    assert settings()["ALLOWED_HOSTS"] == ["mycelium.example.org", "10.1.2.3", "probe.internal"]


@given(
    user=st.text(min_size=1),
    password=st.text(),
    folder=st.from_regex(r"/[A-Za-z0-9_./-]{1,30}", fullmatch=True),
)
def test_any_name_password_and_socket_folder_survive_the_database_address(
    user: str, password: str, folder: str
) -> None:
    quoted = [quote(word, safe="", errors="surrogatepass") for word in (user, password, folder)]
    entry = environment.database(
        "postgres://{}:{}@{}/portal".format(*quoted), pool=3, test_file=Path("/unused")
    )
    assert (entry["USER"], entry["PASSWORD"], entry["HOST"]) == (user, password, folder)
    assert (entry["NAME"], entry["PORT"]) == ("portal", "")
    assert entry["OPTIONS"]["pool"] == {"min_size": 1, "max_size": 3}


@pytest.mark.parametrize(
    ("address", "broker"),
    [
        ("redis://cache:6379/2", "redis://cache:6379/2"),
        ("rediss://:word@cache/0", "rediss://:word@cache/0"),
        ("unix:///run/redis.sock", "redis+socket:///run/redis.sock?virtual_host=0"),
        ("unix:///run/redis.sock?db=3", "redis+socket:///run/redis.sock?virtual_host=3"),
    ],
)
def test_celery_gets_its_own_spelling_of_the_redis_address(address: str, broker: str) -> None:
    assert environment.celery_broker(address) == broker
