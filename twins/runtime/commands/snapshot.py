"""`snapshot`: writes a snapshot of a twin that sleeps."""

from __future__ import annotations

import argparse
import json
import sys

from twins.runtime.commands.opening import Command, asleep
from twins.runtime.module import load
from twins.runtime.snapshots.store import SnapshotStore
from twins.runtime.twin import Twin


def add(command: Command) -> None:
    """Declare the command."""
    made = command("snapshot", _snapshot, "Write a snapshot; the twin must sleep.", "snapshot ./acme --json")
    made.add_argument("--module", default="twin", help="as given to init")
    made.add_argument("--json", action="store_true", help="print JSON")


def _snapshot(options: argparse.Namespace) -> int:
    with asleep(options.directory, "snapshot"):
        twin = Twin(options.directory, load(options.module))
        place = twin.log.position
        saved = SnapshotStore(options.directory, twin.keys).save(twin.state.copy(), place, place.seq)
    text = f"snapshot after record {saved.seq}: {saved.rows} rows in {saved.chunks} chunks\n"
    sys.stdout.write(json.dumps(saved._asdict()) + "\n" if options.json else text)
    return 0
