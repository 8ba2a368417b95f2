"""Command line: `python -m twins.runtime COMMAND`; `--help` names the commands."""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from twins.runtime import init, sandbox, serve, tokens
from twins.runtime.callers import ROLES
from twins.runtime.commands import audit, bench, doctor, erase, snapshot, vault
from twins.runtime.commands.opening import keys_of
from twins.runtime.identity import Identity, identity_of
from twins.runtime.keys import KeyStore, KeysUnusable
from twins.runtime.log.damage import LogDamaged, LogMissing
from twins.runtime.log.notes import NoteRefused
from twins.runtime.log.offline import prove, verify_text
from twins.runtime.log.proofs import ProofRefused
from twins.runtime.log.reader import read
from twins.runtime.module import ModuleMissing, load
from twins.runtime.problems import Problem
from twins.runtime.sealing import seal_of
from twins.runtime.state import State
from twins.runtime.verification import verify

SLUG = re.compile(r"[a-z0-9](-?[a-z0-9]){0,39}")
SUBJECT = re.compile(r"(user|agent):[A-Za-z0-9._-]{1,64}")
FAILED = 1
Command = Callable[[str, Any, str, str], argparse.ArgumentParser]


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
        NoteRefused,
        ProofRefused,
        KeysUnusable,
        ModuleMissing,
        init.TwinExists,
        serve.TwinLocked,
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

    for add in (_add_init, _add_serve, _add_token, _add_verify, _add_prove):
        add(command)
    for one in (audit, snapshot, erase, doctor, bench):
        one.add(command)
    vault.add(commands)
    return parser


def _add_init(command: Command) -> None:
    made = command("init", _init, "Make a twin.", 'init ./acme --twin acme --name "Acme Ltd"')
    made.add_argument("--twin", required=True, metavar="SLUG", help="its name in addresses")
    made.add_argument("--name", help="its name for people (default: the slug)")
    made.add_argument("--module", default="twin", help="twin, or a Python module path (default: twin)")
    made.add_argument(
        "--genesis", type=Path, metavar="FILE", help="JSON: custody, owner, admins, budget, slices, senses"
    )
    made.add_argument("--json", action="store_true", help="print JSON, as it does anyway")


def _add_serve(command: Command) -> None:
    made = command("serve", _serve, "Serve a twin until SIGTERM.", "serve ./acme --port 8100")
    where = made.add_mutually_exclusive_group()
    where.add_argument("--port", type=_port, help="TCP port on 127.0.0.1; 0 for any, which is printed")
    where.add_argument(
        "--uds", type=Path, metavar="PATH", help="unix socket to make (default: DIR/twin.sock)"
    )
    where.add_argument("--fd", type=int, help="listening socket that is open already")
    made.add_argument(
        "--allow", action="append", default=[], metavar="NET", help="private network for senses"
    )
    made.add_argument("--module", default="twin", help="as given to init")
    made.add_argument(
        "--wire", choices=("fast", "aiohttp"), default="fast", help="what speaks HTTP (default: fast)"
    )
    made.add_argument("--idle", type=float, metavar="SECONDS", help="end after so long without a caller")
    _add_sandbox(made)


def _add_sandbox(made: argparse.ArgumentParser) -> None:
    made.add_argument("--sandbox", action="store_true", help="confine the process before it reads the twin")
    made.add_argument(
        "--require-sandbox", action="store_true", help="the same, and end if a part cannot be had here"
    )
    made.add_argument(
        "--user", type=int, metavar="UID", help="user that the sandbox becomes; the files must be this user's"
    )
    made.add_argument(
        "--allow-port",
        action="append",
        default=[],
        type=sandbox.port,
        metavar="PORT",
        help="TCP port for senses besides 80 and 443, or any",
    )


def _add_token(command: Command) -> None:
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


def _add_verify(command: Command) -> None:
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


def _add_prove(command: Command) -> None:
    made = command("prove", _prove, "Print a proof that the log holds a record.", "prove ./acme --seq 7")
    made.add_argument("--seq", type=int, required=True, help="the record")
    made.add_argument("--json", action="store_true", help="print JSON: the proof's text and its parts")


def _init(options: argparse.Namespace) -> int:
    if SLUG.fullmatch(options.twin) is None:
        raise Refused(f"--twin must be a slug such as acme-ltd, not {options.twin[:60]!r}")
    genesis = json.loads(options.genesis.read_text()) if options.genesis else {}
    name = options.name or options.twin
    made = init.create(
        options.directory, slug=options.twin, name=name, module=options.module, genesis=genesis
    )
    sys.stdout.write(json.dumps(made) + "\n")
    return 0


def _serve(options: argparse.Namespace) -> int:
    try:
        sock = _listen(options)
    except serve.TwinLocked as error:
        _say(str(error))
        return serve.EXIT_LOCKED
    if options.fd is None:
        _say_where(sock)
    return serve.run(
        options.directory,
        sock,
        idle_seconds=options.idle,
        allow=options.allow,
        module=options.module,
        policy=_policy(options),
        wire=options.wire,
        own=options.fd is None,
    )


def _policy(options: argparse.Namespace) -> sandbox.Policy | None:
    if not (options.sandbox or options.require_sandbox):
        return None
    return sandbox.Policy(options.user, sandbox.ports(options.allow_port), options.require_sandbox)


def _listen(options: argparse.Namespace) -> socket.socket:
    if options.fd is not None:
        return socket.socket(fileno=options.fd)
    if options.port is not None:
        return socket.create_server(("127.0.0.1", options.port), backlog=128)
    path = options.uds or options.directory / "twin.sock"
    # Whoever serves the twin already keeps its socket.
    with serve.locked(options.directory):
        return _unix_socket(path)


def _unix_socket(path: Path) -> socket.socket:
    """A listening socket in place of one that an earlier process left behind."""
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise Refused(f"{path} is there and is no socket")
        path.unlink()
    sock = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        sock.bind(str(path))
    finally:
        os.umask(before)
    sock.listen(128)
    return sock


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"0 to 65535 were expected, not {text[:20]}")
    return int(text)


def _say_where(sock: socket.socket) -> None:
    """One line for whoever started the process, as nothing else tells the port that `--port 0` chose."""
    where = sock.getsockname()
    text = where if isinstance(where, str) else f"http://{where[0]}:{where[1]}"
    with suppress(BrokenPipeError):
        sys.stdout.write(f"listening on {text}\n")
        sys.stdout.flush()


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


def _prove(options: argparse.Namespace) -> int:
    proof = prove(options.directory, options.seq)
    told = {"seq": proof.seq, "hash": proof.hash.hex(), "proof": proof.text()}
    sys.stdout.write(json.dumps(told) + "\n" if options.json else proof.text())
    return 0


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
