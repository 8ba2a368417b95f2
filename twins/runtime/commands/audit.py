"""`audit`: prints the log."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Iterator
from typing import Any

from twins.runtime import clock
from twins.runtime.commands.opening import keys_of
from twins.runtime.log.reader import Query, read
from twins.runtime.sealing import seal_of

COLUMNS = ("seq", "time", "kind", "caller", "act", "reducer", "args", "effects", "error", "hash")


def add(command: Any) -> None:
    """Declare the command."""
    made = command(
        "audit", _audit, "Print the log.", "audit ./acme --since 2030-01-01T00:00:00Z --format csv"
    )
    made.add_argument("--since", default="", metavar="TIME", help="from this instant on")
    made.add_argument("--until", default="", metavar="TIME", help="before this instant")
    made.add_argument("--caller", default="", help="one caller only")
    made.add_argument("--format", choices=("jsonl", "csv"), default="jsonl")


def _audit(options: argparse.Namespace) -> int:
    since, until = _instant(options.since, "since"), _instant(options.until, "until")
    query = Query(caller=options.caller, since=since, until=until)
    keys = keys_of(options.directory, "audit")
    rows = (
        opened.describe() for opened in read(options.directory, seal_of(keys)) if query.wants(opened.head)
    )
    if options.format == "csv":
        csv.writer(sys.stdout).writerows(_cells(rows))
    else:
        sys.stdout.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return 0


def _instant(text: str, name: str) -> str:
    return clock.write(clock.parse(text, f"--{name}")) if text else ""


def _cells(rows: Iterator[dict[str, Any]]) -> Iterator[list[str]]:
    yield list(COLUMNS)
    for row in rows:
        yield [_cell(row[name]) for name in COLUMNS]


def _cell(value: Any) -> str:
    """Text that no spreadsheet takes for a formula."""
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
