"""`init`: makes a twin."""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path

from twins.runtime import init
from twins.runtime.commands.opening import Command, Refused

SLUG = re.compile(r"[a-z0-9](-?[a-z0-9]){0,39}")


def add(command: Command) -> None:
    """Declare the command."""
    made = command("init", _init, "Make a twin.", 'init ./acme --twin acme --name "Acme Ltd"')
    made.add_argument("--twin", required=True, metavar="SLUG", help="its name in addresses")
    made.add_argument("--name", help="its name for people (default: the slug)")
    made.add_argument("--module", default="twin", help="twin, or a Python module path (default: twin)")
    made.add_argument(
        "--genesis", type=Path, metavar="FILE", help="JSON: custody, owner, admins, budget, slices, senses"
    )
    made.add_argument("--json", action="store_true", help="print JSON, as it does anyway")


def _init(options: argparse.Namespace) -> int:
    if SLUG.fullmatch(options.twin) is None:
        raise Refused(f"--twin must be a slug such as acme-ltd, not {options.twin[:60]!r}")
    genesis = json.loads(options.genesis.read_text()) if options.genesis else {}
    name = options.name or options.twin
    made = init.create(
        options.directory, slug=options.twin, name=name, module=options.module, genesis=genesis
    )
    sys.stdout.write(json.dumps(made) + "\n")
    return 0
