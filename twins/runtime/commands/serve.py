"""`serve`: one twin on one listening socket."""

from __future__ import annotations

import argparse
import os
import socket
import stat
import sys
from contextlib import suppress
from pathlib import Path

from twins.runtime import sandbox, serve
from twins.runtime.commands.opening import Command, Refused


def add(command: Command) -> None:
    """Declare the command."""
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


def _serve(options: argparse.Namespace) -> int:
    try:
        sock = _listen(options)
    except serve.TwinLocked as error:
        sys.stderr.write(f"error: {error}\n")
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
