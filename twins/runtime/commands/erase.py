"""`erase`: takes one object of a twin that sleeps out of its memory and asks for the end of its past."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from twins.runtime.callers import Caller
from twins.runtime.commands.opening import asleep
from twins.runtime.erasure import find_parts
from twins.runtime.keys import KeyStore
from twins.runtime.log.reader import read
from twins.runtime.module import load
from twins.runtime.problems import not_found
from twins.runtime.sealing import seal_of
from twins.runtime.slices import table_of
from twins.runtime.twin import Answer, Twin


def add(command: Any) -> None:
    """Declare the command."""
    made = command(
        "erase",
        _erase,
        "Erase one object. The twin must sleep; it destroys the object's keys when it next runs.",
        'erase ./acme --slice people --id p7 --reason "asked by the person"',
    )
    made.add_argument("--slice", required=True, help="the slice that holds the object")
    made.add_argument("--id", required=True, help="the object")
    made.add_argument("--reason", required=True, help="why, for the record")
    made.add_argument("--as", dest="subject", default="user:keeper", metavar="user:NAME", help="who asks")
    made.add_argument("--module", default="twin", help="as given to init")
    made.add_argument("--json", action="store_true", help="print JSON")


def _erase(options: argparse.Namespace) -> int:
    args = {"slice": options.slice, "id": options.id, "reason": options.reason}
    with asleep(options.directory, f"erase --as {options.subject}") as keys:
        _require_past(options, keys)
        answer = asyncio.run(_call(options.directory, options.module, options.subject, args))
    told = {"seq": answer.seq, **answer.result}
    text = f"erasure {told['erasure']} is record {told['seq']}\n"
    sys.stdout.write(json.dumps(told) + "\n" if options.json else text)
    return 0


def _require_past(options: argparse.Namespace, keys: KeyStore) -> None:
    """Return when the log holds something of the object: a misspelt id must not look like one that is gone.

    Raises:
        Problem: 404.
    """
    log = read(options.directory, seal_of(keys))
    if not find_parts(log, table_of(options.slice), options.id, sys.maxsize).parts:
        raise not_found(f"object {options.id[:80]!r} of slice {options.slice[:40]!r} in the log")


async def _call(directory: Path, module: str, subject: str, args: dict[str, str]) -> Answer:
    """Call as somebody for whom the twin itself vouches: who has its keys could mint an owner's token."""
    twin = Twin(directory, load(module))
    twin.start()
    try:
        caller = Caller(subject, role="owner", x=twin.identity.x, vouched=True)
        return await twin.call(caller, "erase", args)
    finally:
        await twin.close()
