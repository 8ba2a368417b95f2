"""`prove`: a proof that the log holds a record."""

from __future__ import annotations

import argparse
import json
import sys

from twins.runtime.commands.opening import Command
from twins.runtime.log.offline import prove


def add(command: Command) -> None:
    """Declare the command."""
    made = command("prove", _prove, "Print a proof that the log holds a record.", "prove ./acme --seq 7")
    made.add_argument("--seq", type=int, required=True, help="the record")
    made.add_argument("--json", action="store_true", help="print JSON: the proof's text and its parts")


def _prove(options: argparse.Namespace) -> int:
    proof = prove(options.directory, options.seq)
    told = {"seq": proof.seq, "hash": proof.hash.hex(), "proof": proof.text()}
    sys.stdout.write(json.dumps(told) + "\n" if options.json else proof.text())
    return 0
