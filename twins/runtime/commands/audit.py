"""`audit`: prints the log."""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import sys
from collections.abc import Iterator
from typing import Any

from twins.runtime import clock
from twins.runtime.commands.opening import keys_of
from twins.runtime.log.reader import Query, read
from twins.runtime.sealing import seal_of

CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
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
    made.add_argument("--json", dest="format", action="store_const", const="jsonl", help="print JSON lines")


def _audit(options: argparse.Namespace) -> int:
    since, until = _instant(options.since, "since"), _instant(options.until, "until")
    query = Query(caller=options.caller, since=since, until=until)
    keys = keys_of(options.directory, "audit")
    rows = (
        opened.describe() for opened in read(options.directory, seal_of(keys)) if query.wants(opened.head)
    )
    try:
        if options.format == "csv":
            csv.writer(sys.stdout).writerows(_cells(rows))
        else:
            sys.stdout.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads has seen enough; the interpreter must not try to write the rest at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _instant(text: str, name: str) -> str:
    return clock.write(clock.parse(text, f"--{name}")) if text else ""


def _cells(rows: Iterator[dict[str, Any]]) -> Iterator[list[str]]:
    yield list(COLUMNS)
    for row in rows:
        yield [_cell(row[name]) for name in COLUMNS]


def _cell(value: Any) -> str:
    """Text that no spreadsheet takes for a formula, and no terminal for a command."""
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
