"""Reads settings from environment variables and fails loudly, naming the variable and what it expects.

A secret may also come from a file: with `NAME_FILE` set, the value of `NAME` is that file's content. Messages
never repeat a value, as it may hold a password.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

SQLITE_PRAGMAS = (
    "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;PRAGMA foreign_keys=ON;PRAGMA busy_timeout=20000"
)
env: Mapping[str, str] = os.environ


def text(name: str, default: str = "") -> str:
    """The variable, or the default when it is unset or empty."""
    return env.get(name, "").strip() or default


def secret(name: str, default: str = "") -> str:
    """The variable or the content of the file that `<name>_FILE` names; both at once are refused."""
    path = text(f"{name}_FILE")
    if not path:
        return text(name, default)
    if text(name):
        raise ImproperlyConfigured(f"{name} and {name}_FILE are both set: expected one of them")
    try:
        return Path(path).read_text().strip() or default
    except (OSError, UnicodeDecodeError) as error:
        reason = type(error).__name__
        raise ImproperlyConfigured(f"{name}_FILE: expected a readable text file ({reason})") from None


def number(name: str, default: int, low: int, high: int) -> int:
    """A whole number from `low` to `high`."""
    value = text(name, str(default))
    if not value.isascii() or not value.isdecimal() or not low <= int(value) <= high:
        raise ImproperlyConfigured(f"{name}: expected a whole number from {low} to {high}")
    return int(value)


def choice(name: str, default: str, choices: tuple[str, ...]) -> str:
    """One word of a fixed few, in any case."""
    value = text(name, default).upper()
    if value not in choices:
        raise ImproperlyConfigured(f"{name}: expected one of {', '.join(choices)}")
    return value


def words(name: str) -> list[str]:
    """A list separated by commas."""
    return [word.strip() for word in text(name).split(",") if word.strip()]


def networks(name: str, default: tuple[str, ...]) -> tuple[str, ...]:
    """IP networks in CIDR form, separated by commas; set to `none` for the empty list."""
    if text(name) == "none":
        return ()
    try:
        return tuple(str(ipaddress.ip_network(word)) for word in words(name)) or default
    except ValueError:
        raise ImproperlyConfigured(f"{name}: expected networks such as 127.0.0.0/8,10.0.0.0/8") from None


def ports(name: str) -> tuple[str, ...]:
    """TCP ports, separated by commas; `any` among them stands for all."""
    found = tuple(words(name))
    for word in found:
        fits = word.isascii() and word.isdecimal() and 1 <= int(word) <= 65535
        if not fits and word != "any":
            raise ImproperlyConfigured(f"{name}: expected ports such as 8443,9000, or any")
    return found


def url(name: str, value: str, schemes: tuple[str, ...]) -> SplitResult:
    """The value of the variable `name` as an address with one of the schemes."""
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        raise ImproperlyConfigured(f"{name}: expected an address such as {schemes[0]}://...") from None
    if parts.scheme not in schemes or not (parts.netloc or parts.path.strip("/")):
        raise ImproperlyConfigured(f"{name}: expected an address that starts with {'://, '.join(schemes)}://")
    return parts


def web_address(name: str, default: str) -> str:
    """An http or https address without a slash at its end."""
    value = text(name, default).rstrip("/")
    if value and not url(name, value, ("http", "https")).hostname:
        raise ImproperlyConfigured(f"{name}: expected an address such as https://mycelium.example.org")
    return value


def database(value: str, pool: int, test_file: Path) -> dict[str, Any]:
    """Django's DATABASES entry for `postgres://...` or `sqlite:///path`.

    SQLite writes begin IMMEDIATE: a read lock that is upgraded later fails at once, whatever the timeout.
    Its test database is a file, because one in memory belongs to a single process.
    """
    parts = url("DATABASE_URL", value, ("postgres", "postgresql", "sqlite"))
    if parts.scheme == "sqlite":
        options = {"timeout": 20, "transaction_mode": "IMMEDIATE", "init_command": SQLITE_PRAGMAS}
        engine, path = "django.db.backends.sqlite3", unquote(parts.path)
        return {"ENGINE": engine, "NAME": path, "OPTIONS": options, "TEST": {"NAME": str(test_file)}}
    user, _, place = parts.netloc.rpartition("@")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(user.partition(":")[0]),
        "PASSWORD": unquote(user.partition(":")[2]),
        # not parts.hostname, which is in lower case: the host may be the folder of a socket
        "HOST": unquote(place.removesuffix(f":{parts.port}")),
        "PORT": str(parts.port or ""),
        "OPTIONS": {**dict(parse_qsl(parts.query)), "pool": {"min_size": 1, "max_size": pool}},
    }


def celery_broker(redis_url: str) -> str:
    """Celery's spelling of a Redis address: the other clients write `unix://` for a socket."""
    parts = url("REDIS_URL", redis_url, ("redis", "rediss", "unix"))
    if parts.scheme != "unix":
        return redis_url
    database = dict(parse_qsl(parts.query)).get("db", "0")
    return f"redis+socket://{parts.path}?virtual_host={database}"


def private_folder(path: Path) -> Path:
    """The folder, made with mode 0700 when it is missing."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror
        raise ImproperlyConfigured(f"MYCELIUM_HOME: expected a folder that can be made ({reason})") from None
    return path.resolve()
