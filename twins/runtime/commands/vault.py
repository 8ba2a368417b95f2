"""`vault rewrap`: moves a twin's secret to another vault."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from twins.runtime.commands.opening import asleep
from twins.runtime.vault import KINDS

EXAMPLE = (
    "example: python -m twins.runtime vault rewrap ./acme --to transit --set url=https://vault:8200 "
    "--set key=twins --set token=/etc/mycelium/token"
)


def add(commands: Any) -> None:
    """Declare the command."""
    text = "Where the key to a twin's directory is kept."
    vault = commands.add_parser("vault", help=text, description=text, epilog=EXAMPLE)
    actions = vault.add_subparsers(required=True, metavar="ACTION")
    text = "Give the twin's secret to another vault. The twin must sleep; its log is not touched."
    made = actions.add_parser("rewrap", help=text, description=text, epilog=EXAMPLE)
    made.set_defaults(command=_rewrap)
    made.add_argument("directory", type=Path, metavar="DIR", help="the twin's directory")
    made.add_argument("--to", required=True, choices=tuple(KINDS), help="the kind of the vault")
    made.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="one of its settings; a PIN or a token is named by its file, never given here",
    )
    made.add_argument("--json", action="store_true", help="print JSON")


def _rewrap(options: argparse.Namespace) -> int:
    settings = dict(_pair(text) for text in options.set)
    with asleep(options.directory, f"vault rewrap --to {options.to}") as keys:
        before = keys.box.kind
        keys.box.rewrap(options.to, settings)
    told = {"from": before, "to": options.to}
    sys.stdout.write(json.dumps(told) + "\n" if options.json else f"moved from {before} to {options.to}\n")
    return 0


def _pair(text: str) -> tuple[str, str]:
    name, found, value = text.partition("=")
    if not found or not name:
        raise ValueError(f"--set must be NAME=VALUE, not {text[:40]!r}")
    return name, value
