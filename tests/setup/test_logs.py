"""What reaches the log, and what must not."""

from __future__ import annotations

import json
import logging
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.logs import JsonLines

TOKEN = "eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJ1c2VyIn0.c2lnbmF0dXJl"


def line(message: str, *args: object) -> str:
    record = logging.LogRecord("portal", logging.INFO, __file__, 1, message, args, None)
    return JsonLines().format(record)


@given(st.text())
def test_every_message_is_one_json_object_on_one_line(message: str) -> None:
    written = line("%s", message)
    assert "\n" not in written
    assert json.loads(written)["level"] == "info"


@pytest.mark.parametrize(
    ("message", "secret"),
    [
        (f"called with {TOKEN}", TOKEN),
        ("Authorization: Bearer abc.def-ghi", "abc.def-ghi"),
        ("connecting to postgres://mycelium:hunter2@db/portal", "hunter2"),
        ("connecting to redis://:hunter2@cache/0", "hunter2"),
        ("{'password': 'hunter2', 'name': 'Ana'}", "hunter2"),
        ("GET /?token=hunter2&page=2", "hunter2"),
        ("Cookie: sessionid=hunter2; theme=dark", "hunter2"),
        ("-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----", "hunter2"),
    ],
)
def test_secrets_do_not_reach_the_log(message: str, secret: str) -> None:
    assert secret in message
    assert secret not in line("%s", message)


def test_a_traceback_is_logged_without_its_secrets() -> None:
    try:
        raise ValueError(f"refused {TOKEN}")
    except ValueError:
        record = logging.LogRecord("portal", logging.ERROR, __file__, 1, "it failed", (), sys.exc_info())
    entry = json.loads(JsonLines().format(record))
    assert "ValueError: refused [token]" in entry["error"]


def test_ordinary_words_are_left_as_they_are() -> None:
    message = "the token of https://example.org/a:b/c ended at 12:30, 3 secrets were rotated"
    assert json.loads(line("%s", message))["message"] == message
