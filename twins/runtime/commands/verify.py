"""`verify`: reads a log again, or what its keeper handed out."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from twins.runtime.commands.opening import FAILED, Command, Refused, keys_of
from twins.runtime.keys import KeysUnusable
from twins.runtime.log.damage import LogDamaged, LogMissing
from twins.runtime.log.offline import verify_text
from twins.runtime.module import load
from twins.runtime.sealing import seal_of
from twins.runtime.verification import verify


def add(command: Command) -> None:
    """Declare the command."""
    made = command(
        "verify",
        _verify,
        "Read a log again, or a proof or checkpoint in a FILE; exit code 1 if it does not hold.",
        "verify ./acme --replay",
    )
    made.add_argument("--replay", action="store_true", help="run every reducer again and compare")
    made.add_argument("--module", default="twin", help="whose reducers to run, as given to init")
    made.add_argument(
        "--witness",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a checkpoint kept elsewhere",
    )
    made.add_argument(
        "--key", action="append", default=[], metavar="X", help="for a FILE: the key that signed it"
    )
    made.add_argument("--json", action="store_true", help="print JSON")


def _verify(options: argparse.Namespace) -> int:
    if options.directory.is_file():
        return _verify_file(options)
    try:
        found = _verified(options)
    except (LogMissing, LogDamaged, KeysUnusable) as error:
        if not options.json:
            raise
        found = {"ok": False, "problem": str(error)}
    if options.json:
        sys.stdout.write(json.dumps(found) + "\n")
    elif found["ok"]:
        sys.stdout.writelines(f"{line}\n" for line in _lines(found))
    else:
        sys.stdout.write(f"damaged: {found['problem']}\n")
    return 0 if found["ok"] else FAILED


def _verified(options: argparse.Namespace) -> dict[str, Any]:
    module = load(options.module) if options.replay else None
    notes = [path.read_text() for path in options.witness]
    seal = seal_of(keys_of(options.directory, "verify"))
    return verify(options.directory, seal, replay=module, witnessed=notes)


def _lines(found: dict[str, Any]) -> Iterator[str]:
    """A sound log's summary for people."""
    yield f"ok: {found['records']} records in {found['segments']} segments, head {found['head']['hash']}"
    checkpoint = found["checkpoint"]
    yield f"checkpoint: over {checkpoint['size']} records" if checkpoint else "checkpoint: none yet"
    yield f"state: {found['digest']}"
    yield f"erased parts: {found['erased_parts']}, bytes of an unfinished write: {found['torn_bytes']}"
    if "replayed" in found:
        counts = found["replayed"]
        yield f"executed again: {counts['executed']} records, not executed: {counts['not_executed']}"


def _verify_file(options: argparse.Namespace) -> int:
    if not options.key:
        raise Refused("to verify a file, give the twin's public key: --key X, the `x` of its key")
    try:
        text = options.directory.read_text()
    except UnicodeDecodeError:
        raise Refused(
            f"{options.directory} is no text; a proof or a checkpoint was expected, or a twin's directory"
        ) from None
    told = verify_text(text, options.key)
    sys.stdout.write(json.dumps({"ok": True, "told": told}) + "\n" if options.json else f"ok: {told}\n")
    return 0
