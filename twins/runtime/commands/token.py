"""`token`: a token by the twin's own key."""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path

from twins.runtime import tokens
from twins.runtime.callers import ROLES
from twins.runtime.commands.opening import Command, Refused, keys_of
from twins.runtime.identity import Identity, identity_of
from twins.runtime.keys import KeyStore
from twins.runtime.log.reader import read
from twins.runtime.sealing import seal_of
from twins.runtime.state import State

SUBJECT = re.compile(r"(user|agent):[A-Za-z0-9._-]{1,64}")


def add(command: Command) -> None:
    """Declare the command."""
    made = command(
        "token",
        _token,
        "Print a token that the twin's own key signs.",
        "token ./acme --as user:anna --role owner",
    )
    made.add_argument("--as", dest="subject", required=True, metavar="user:NAME", help="who the bearer is")
    made.add_argument("--role", choices=ROLES, help="vouch for a role")
    made.add_argument("--seconds", type=int, default=3600, help="how long it holds, 3600 at most")
    made.add_argument("--json", action="store_true", help="print JSON")


def _token(options: argparse.Namespace) -> int:
    if SUBJECT.fullmatch(options.subject) is None:
        raise Refused(f"--as must be such as user:anna, not {options.subject[:80]!r}")
    if not 1 <= options.seconds <= tokens.LONGEST:
        raise Refused(f"--seconds must be 1 to {tokens.LONGEST}")
    keys = keys_of(options.directory, f"token --as {options.subject}")
    me = _identity(options.directory, keys)
    key = keys.signing_key(me.kid)
    claims = {"role": options.role} if options.role else {}
    token = tokens.sign(
        key, iss=f"twin:{me.id}", sub=options.subject, aud=me.id, seconds=options.seconds, **claims
    )
    told = {"token": token, "subject": options.subject, "seconds": options.seconds}
    sys.stdout.write((json.dumps(told) if options.json else token) + "\n")
    return 0


def _identity(directory: Path, keys: KeyStore) -> Identity:
    state = State()
    for opened in read(directory, seal_of(keys)):
        state.apply(opened.effects(opened.parts()), opened.frame.seq)
    return identity_of(state)
