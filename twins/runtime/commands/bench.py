"""`bench`: what a twin does on a machine and a disk."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from twins.runtime import bench

IN_FLIGHT = (1, 8, 64)


def add(command: Any) -> None:
    """Declare the command."""
    made = command("bench", _bench, "Measure commits and reads on the disk of a folder.", "bench /var/lib")
    made.add_argument("--seconds", type=float, default=2.0, help="of each measurement (default: 2)")
    made.add_argument("--json", action="store_true", help="print JSON")


def _bench(options: argparse.Namespace) -> int:
    if not options.seconds > 0:
        raise ValueError("--seconds must be more than 0")
    figures = bench.measure(options.directory, options.seconds, IN_FLIGHT)
    if options.json:
        sys.stdout.write(json.dumps([figure._asdict() for figure in figures]) + "\n")
    else:
        sys.stdout.writelines(f"{one.name:48} {one.value:12,.0f} {one.unit}\n" for one in figures)
    return 0
