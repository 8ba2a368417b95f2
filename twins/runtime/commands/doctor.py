"""`doctor`: says what is well with a twin's directory and process, and what is not."""

from __future__ import annotations

import argparse
import json
import sys

from twins.runtime import keyuse
from twins.runtime.commands.opening import Command
from twins.runtime.doctor import Finding, examine


def add(command: Command) -> None:
    """Declare the command."""
    made = command(
        "doctor", _doctor, "Say what is well with a twin and what is not; exit code 1 if anything is broken.",
        "doctor ./acme --deep",
    )  # fmt: skip
    made.add_argument("--deep", action="store_true", help="read every snapshot too")
    made.add_argument("--json", action="store_true", help="print JSON")


def _doctor(options: argparse.Namespace) -> int:
    if (options.directory / "keys").is_dir():
        keyuse.note(options.directory, "doctor")
    findings = examine(options.directory, deep=options.deep)
    broken = any(finding.level == "fail" for finding in findings)
    if options.json:
        told = {"ok": not broken, "findings": [finding._asdict() for finding in findings]}
        sys.stdout.write(json.dumps(told) + "\n")
    else:
        sys.stdout.writelines(_line(finding) for finding in findings)
    return int(broken)


def _line(finding: Finding) -> str:
    remedy = f" {finding.remedy}" if finding.remedy else ""
    return f"{finding.level:<4}  {finding.name}: {finding.says}.{remedy}\n"
