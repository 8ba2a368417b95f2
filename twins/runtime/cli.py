"""Command line: `python -m twins.runtime init | serve | token | audit | verify`."""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from twins.runtime import clock, init, serve, tokens
from twins.runtime.callers import ROLES
from twins.runtime.identity import Identity, identity_of
from twins.runtime.keys import KeyStore, KeysUnusable
from twins.runtime.log.frame import LogDamaged, Seal
from twins.runtime.log.reader import LogMissing, Query, scan, verify
from twins.runtime.log.record import describe
from twins.runtime.module import ModuleMissing
from twins.runtime.problems import Problem
from twins.runtime.state import State, effects_from_json

SLUG = re.compile(r"[a-z0-9](-?[a-z0-9]){0,39}")
SUBJECT = re.compile(r"(user|agent):[A-Za-z0-9._-]{1,64}")
COLUMNS = ("seq", "time", "kind", "caller", "act", "reducer", "args", "effects", "error", "hash")
FAILED = 1


class Refused(Exception):
    """A command that cannot be done; the text is for people."""


def main(argv: Sequence[str]) -> int:
    """Run one command and return its exit code; 2 for a wrong command line, 1 for what did not work."""
    options = _parser().parse_args(argv)
    try:
        code: int = options.command(options)
    except (
        Refused,
        LogMissing,
        LogDamaged,
        KeysUnusable,
        ModuleMissing,
        init.TwinExists,
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
        made = commands.add_parser(name, help=text, description=text, epilog=epilog)
        made.set_defaults(command=run)
        made.add_argument("directory", type=Path, metavar="DIR", help="the twin's directory")
        return made

    made = command("init", _init, "Make a twin.", 'init ./acme --twin acme --name "Acme Ltd"')
    made.add_argument("--twin", required=True, metavar="SLUG", help="its name in addresses")
    made.add_argument("--name", required=True, help="its name for people")
    made.add_argument("--module", default="twin", help="twin, or a Python module path (default: twin)")
    made.add_argument(
        "--genesis", type=Path, metavar="FILE", help="JSON: custody, owner, admins, slices, senses"
    )
    made.add_argument("--json", action="store_true", help="print JSON")

    made = command("serve", _serve, "Serve a twin until SIGTERM.", "serve ./acme --port 8100")
    where = made.add_mutually_exclusive_group(required=True)
    where.add_argument("--port", type=int, help="TCP port on 127.0.0.1")
    where.add_argument("--uds", type=Path, metavar="PATH", help="unix socket to make")
    where.add_argument("--fd", type=int, help="listening socket that is open already")
    made.add_argument(
        "--allow", action="append", default=[], metavar="NET", help="private network for senses"
    )
    made.add_argument("--module", default="twin", help="as given to init")
    made.add_argument(
        "--wire", choices=("fast", "aiohttp"), default="fast", help="what speaks HTTP (default: fast)"
    )
    made.add_argument("--idle", type=float, metavar="SECONDS", help="end after so long without a caller")

    made = command(
        "token",
        _token,
        "Print a token that the twin's own key signs.",
        "token ./acme --as user:anna --role owner",
    )
    made.add_argument("--as", dest="subject", required=True, metavar="user:NAME", help="who the bearer is")
    made.add_argument("--role", choices=ROLES, help="vouch for a role")
    made.add_argument("--seconds", type=int, default=300, help="how long it holds, at most 3600")

    made = command(
        "audit", _audit, "Print the log.", "audit ./acme --since 2030-01-01T00:00:00Z --format csv"
    )
    made.add_argument("--since", default="", metavar="TIME", help="from this instant on")
    made.add_argument("--until", default="", metavar="TIME", help="before this instant")
    made.add_argument("--caller", default="", help="one caller only")
    made.add_argument("--format", choices=("jsonl", "csv"), default="jsonl")

    made = command(
        "verify", _verify, "Read the whole chain again; exit code 1 if it does not hold.", "verify ./acme"
    )
    made.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _init(options: argparse.Namespace) -> int:
    if SLUG.fullmatch(options.twin) is None:
        raise Refused(f"--twin must be a slug such as acme-ltd, not {options.twin[:60]!r}")
    genesis = json.loads(options.genesis.read_text()) if options.genesis else {}
    made = init.create(
        options.directory, slug=options.twin, name=options.name, module=options.module, genesis=genesis
    )
    sys.stdout.write(json.dumps(made) + "\n" if options.json else f"{made['slug']} is twin {made['id']}\n")
    return 0


def _serve(options: argparse.Namespace) -> int:
    return serve.run(
        options.directory,
        _listen(options),
        idle_seconds=options.idle,
        allow=options.allow,
        module=options.module,
        wire=options.wire,
        own=options.fd is None,
    )


def _listen(options: argparse.Namespace) -> socket.socket:
    if options.fd is not None:
        return socket.socket(fileno=options.fd)
    if options.port is not None:
        return socket.create_server(("127.0.0.1", options.port), backlog=128)
    options.uds.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        sock.bind(str(options.uds))
    finally:
        os.umask(before)
    sock.listen(128)
    return sock


def _token(options: argparse.Namespace) -> int:
    if SUBJECT.fullmatch(options.subject) is None:
        raise Refused(f"--as must be such as user:anna, not {options.subject[:80]!r}")
    if not 1 <= options.seconds <= tokens.LONGEST:
        raise Refused(f"--seconds must be 1 to {tokens.LONGEST}")
    me = _identity(options.directory)
    key = KeyStore(options.directory).signing_key(me.kid)
    claims = {"role": options.role} if options.role else {}
    token = tokens.sign(
        key, iss=f"twin:{me.id}", sub=options.subject, aud=me.id, seconds=options.seconds, **claims
    )
    sys.stdout.write(token + "\n")
    return 0


def _identity(directory: Path) -> Identity:
    state = State()
    for _, record in scan(directory, _seal(directory)):
        state.apply(effects_from_json(record.effects))
    return identity_of(state)


def _seal(directory: Path) -> Seal:
    return Seal(KeyStore(directory).data_key())


def _audit(options: argparse.Namespace) -> int:
    since, until = _instant(options.since, "since"), _instant(options.until, "until")
    query = Query(caller=options.caller, since=since, until=until)
    rows = (
        describe(record, frame)
        for frame, record in scan(options.directory, _seal(options.directory))
        if query.wants(record)
    )
    if options.format == "csv":
        csv.writer(sys.stdout).writerows(_cells(rows))
    else:
        sys.stdout.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return 0


def _instant(text: str, name: str) -> str:
    return clock.write(clock.parse(text, f"--{name}")) if text else ""


def _cells(rows: Iterator[dict[str, Any]]) -> Iterator[list[str]]:
    yield list(COLUMNS)
    for row in rows:
        yield [_cell(row[name]) for name in COLUMNS]


def _cell(value: Any) -> str:
    """Text that no spreadsheet takes for a formula."""
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _verify(options: argparse.Namespace) -> int:
    found = verify(options.directory, _seal(options.directory))
    if options.json:
        sys.stdout.write(json.dumps(found) + "\n")
    elif found["ok"]:
        sys.stdout.write(f"ok: {found['records']} records, head {found['head']['hash']}\n")
    else:
        sys.stdout.write(f"damaged: {found['problem']}\n")
    return 0 if found["ok"] else FAILED
