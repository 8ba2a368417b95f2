"""Logs: one JSON object a line on stderr, with the request's id and without secrets."""

from __future__ import annotations

import json
import logging
import re
import secrets
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime

from django.http import HttpRequest, HttpResponse

_request: ContextVar[str] = ContextVar("request", default="")
_NAMES = "password|passwd|secret|token|sessionid|api_key"
_PEM = r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)"
_SECRETS = [
    (re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*"), "[token]"),
    (re.compile(r"(?i)\bbearer\s+[^\s\"',]+"), "Bearer [token]"),
    (re.compile(rf"(?i)\b({_NAMES})(\"?'?\s*[=:]\s*\"?'?)[^\s\"',;&]+"), r"\1\2[hidden]"),
    (re.compile(r"://[^/\s:@]*:[^/\s@]*@"), "://[hidden]@"),
    (re.compile(_PEM, re.DOTALL), "[key]"),
]


def without_secrets(line: str) -> str:
    """The line with tokens, passwords, keys and credentials in addresses blotted out."""
    for pattern, blot in _SECRETS:
        line = pattern.sub(blot, line)
    return line


def is_worth_a_line(record: logging.LogRecord) -> bool:
    """Probes ask every second while the portal starts, and 503 is then the right answer."""
    return not record.getMessage().endswith(": /healthz")


class JsonLines(logging.Formatter):
    """`{"time", "level", "logger", "message"}`, and `"request"` and `"error"` when there is one. UTC."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, whatever the message holds."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        entry = {
            "time": time.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": without_secrets(record.getMessage()),
        }
        if request := _request.get():
            entry["request"] = request
        if record.exc_info:
            entry["error"] = without_secrets(self.formatException(record.exc_info))
        return json.dumps(entry, ensure_ascii=False)


Answer = Callable[[HttpRequest], HttpResponse]


def request_id(get_response: Answer) -> Answer:
    """Middleware: gives each request an id that its log lines and its answer's X-Request-Id carry."""

    def middleware(request: HttpRequest) -> HttpResponse:
        token = _request.set(secrets.token_hex(8))
        try:
            response = get_response(request)
            response["X-Request-Id"] = _request.get()
            return response
        finally:
            _request.reset(token)

    return middleware
