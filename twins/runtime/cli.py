"""Command line: `python -m twins.runtime COMMAND`; `--help` names the commands."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twins.runtime.commands import (
    audit,
    bench,
    doctor,
    erase,
    init,
    prove,
    serve,
    snapshot,
    token,
    vault,
    verify,
)
from twins.runtime.commands.opening import FAILED, Refused
from twins.runtime.init import TwinExists
from twins.runtime.keys import KeysUnusable
from twins.runtime.log.damage import LogDamaged, LogMissing
from twins.runtime.log.notes import NoteRefused
from twins.runtime.log.proofs import ProofRefused
from twins.runtime.module import ModuleMissing
from twins.runtime.problems import Problem
from twins.runtime.serve import TwinLocked

COMMANDS = (init, serve, token, verify, prove, audit, snapshot, erase, doctor, bench)


def main(argv: Sequence[str]) -> int:
    """Run one command and return its exit code; 2 for a wrong command line, 1 for what did not work."""
    options = _parser().parse_args(argv)
    try:
        code: int = options.command(options)
    except (
        Refused,
        LogMissing,
        LogDamaged,
        NoteRefused,
        ProofRefused,
        KeysUnusable,
        ModuleMissing,
        TwinExists,
        TwinLocked,
        ValueError,
    ) as error:
        return _say(str(error))
    except Problem as problem:
        return _say(problem.detail)
    except OSError as error:
        return _say(f"{error.filename or ''}: {error.strerror or error}".removeprefix(": "))
    return code


def _say(text: str) -> int:
    sys.stderr.write(f"error: {text}\n")
    return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m twins.runtime", description="The runtime of one twin.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Any, text: str, example: str) -> argparse.ArgumentParser:
        epilog = f"example: python -m twins.runtime {example}"
        made: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text, epilog=epilog)
        made.set_defaults(command=run)
        made.add_argument("directory", type=Path, metavar="DIR", help="the twin's directory")
        return made

    for one in COMMANDS:
        one.add(command)
    vault.add(commands)
    return parser
