"""`manage.py test`: every check of the project, or with arguments just pytest."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as ET

from django.conf import settings
from django.core.management.base import BaseCommand

from tests import services

PYTHON = sys.executable
BIN = Path(PYTHON).parent
CHECKS = {
    "ruff check": [str(BIN / "ruff"), "check", "--quiet", "."],
    "ruff format": [str(BIN / "ruff"), "format", "--check", "--quiet", "."],
    "mypy": [str(BIN / "mypy"), "--no-error-summary", "."],
    "import rules": [str(BIN / "lint-imports"), "--no-logo"],
}
# these do not touch the portal's database, broker or channel layer
ONLY_ONCE = ["tests/runtime", "tests/host", "tests/demo", "tests/setup", "tests/docs"]
HELP = """usage: manage.py test [pytest arguments]

Without arguments: ruff, mypy, the import rules, pytest on SQLite, pytest on PostgreSQL and Redis.
With arguments: only pytest, on SQLite, with these arguments.

example: manage.py test tests/setup -k health"""


@dataclass
class Tally:
    """What came out so far: names of failed steps, and counts over all pytest runs."""

    failed: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, report: Path) -> None:
        """Adds the counts of one pytest run from its JUnit XML report."""
        if not report.exists():
            return
        for suite in ET.parse(report).getroot().iter("testsuite"):  # noqa: S314  (pytest's own file)
            found = {name: int(suite.get(name, "0")) for name in ("tests", "failures", "errors", "skipped")}
            passed = found["tests"] - found["failures"] - found["errors"] - found["skipped"]
            for word, count in (
                ("failed", found["failures"]),
                ("passed", passed),
                ("skipped", found["skipped"]),
                ("errors", found["errors"]),
            ):
                self.counts[word] = self.counts.get(word, 0) + count

    def closing_line(self, seconds: float) -> str:
        """The counts in pytest's own form."""
        parts = [f"{count} {word}" for word, count in self.counts.items() if count]
        return f" {', '.join(parts) or 'no tests ran'} in {seconds:.2f}s ".center(80, "=")


class Command(BaseCommand):
    """Runs the checks; the exit code is 1 when one of them failed."""

    help = "Run every check of the project; with arguments run pytest with them."
    requires_system_checks = ()

    def run_from_argv(self, argv: list[str]) -> None:
        """Takes the arguments as they are: they are pytest's."""
        arguments = argv[2:]
        if arguments in (["-h"], ["--help"]):
            self.stdout.write(HELP)
        elif arguments:
            sys.exit(_run([PYTHON, "-m", "pytest", *arguments], {}).returncode)
        else:
            sys.exit(self._everything())

    def _everything(self) -> int:
        started, tally = time.monotonic(), Tally()
        with tempfile.TemporaryDirectory(prefix="mycelium-") as folder:
            scratch = Path(folder)
            for name, command in CHECKS.items():
                self._step(name, command, {"MYCELIUM_HOME": folder}, tally, quiet=True)
            self._pytest("pytest, SQLite", ["tests"], {"DATABASE_URL": "", "REDIS_URL": ""}, scratch, tally)
            self._pytest_on_services(scratch, tally)
        self._say(f"failed: {', '.join(tally.failed)}" if tally.failed else "all checks passed")
        self._say(tally.closing_line(time.monotonic() - started))
        return int(bool(tally.failed))

    def _pytest_on_services(self, scratch: Path, tally: Tally) -> None:
        name = "pytest, PostgreSQL and Redis"
        areas = [str(path) for path in sorted(Path("tests").glob("*/")) if str(path) not in ONLY_ONCE]
        with ExitStack() as stack:
            try:
                env = {
                    "DATABASE_URL": stack.enter_context(services.postgres()),
                    "REDIS_URL": stack.enter_context(services.redis()),
                }
            except services.ServiceMissing as missing:
                self._say(f"skipped: {name}, {missing}")
                if os.environ.get("CI") == "true":
                    tally.failed.append(name)
                return
            self._pytest(name, areas, env, scratch, tally)

    def _pytest(self, name: str, paths: list[str], env: dict[str, str], scratch: Path, tally: Tally) -> None:
        report = scratch / "report.xml"
        report.unlink(missing_ok=True)
        self._step(name, [PYTHON, "-m", "pytest", "-q", f"--junit-xml={report}", *paths], env, tally)
        tally.add(report)

    def _step(
        self, name: str, command: list[str], env: dict[str, str], tally: Tally, *, quiet: bool = False
    ) -> None:
        """Runs one check; a quiet one's output shows only when it fails."""
        started = time.monotonic()
        output = subprocess.PIPE if quiet else None
        done = _run(command, env, output)
        failed = bool(done.returncode)
        if failed:
            tally.failed.append(name)
            self._say(done.stdout or "")
        self._say(f"{'FAILED' if failed else 'ok':7} {name} ({time.monotonic() - started:.1f} s)")

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def _run(
    command: list[str], env: dict[str, str], output: int | None = None
) -> subprocess.CompletedProcess[str]:
    surroundings = {**os.environ, **env}
    return subprocess.run(
        command,
        cwd=settings.BASE_DIR,
        env=surroundings,
        stdout=output,
        stderr=subprocess.STDOUT if output else None,
        text=True,
        check=False,
    )
