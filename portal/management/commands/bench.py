"""`manage.py bench`: what Mycelium costs on this machine, beside its peers, as tables of raw numbers."""

from __future__ import annotations

import os
import platform
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from tests.bench.sheet import Sheet

GROUPS = ("commits", "fanout", "store", "resume", "start", "installation")


class Command(BaseCommand):
    """Measures each group with its peers side by side; docs/benchmarks.md says how."""

    help = "Measure commits, fan-out, start-up and memory beside their peers; prints every raw number."

    def add_arguments(self, parser: CommandParser) -> None:
        """The options of the command."""
        parser.add_argument(
            "groups", nargs="*", metavar="GROUP", help=f"of {', '.join(GROUPS)} (default: all)"
        )
        parser.add_argument("--runs", type=int, default=5, help="rounds of each group (default: 5)")

    def handle(self, *, groups: list[str], runs: int, **options: Any) -> None:
        """Print one table a group, and each goal with what was measured."""
        unknown = sorted(set(groups) - set(GROUPS))
        if unknown:
            self.stderr.write(f"there is no group {unknown[0]!r}: expected {', '.join(GROUPS)}")
            raise SystemExit(2)
        self.stdout.write(_machine())
        for name in groups or GROUPS:
            group, sheet = import_module(f"tests.bench.{name}"), Sheet(name)
            with tempfile.TemporaryDirectory(prefix="mycelium-bench-") as folder:
                group.run(sheet, Path(folder), max(runs, 1))
            self.stdout.write("\n".join(["", *sheet.lines(), *(goal.line(sheet) for goal in group.GOALS)]))
            self.stdout.flush()


def _machine() -> str:
    load = ", ".join(f"{one:.2f}" for one in os.getloadavg())
    return f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} cores, load {load}"
