"""`python -m twins.host serve | doctor --home DIR [--allow NET] [--allow-port PORT] [--most-awake N]`."""

from __future__ import annotations

import argparse
import ipaddress
import logging
import sys
from pathlib import Path

import msgspec
from setproctitle import setproctitle

from twins.host import doctor
from twins.host.handover import OPTION, receive
from twins.host.lock import HomeInUse
from twins.host.options import MOST_AWAKE, Options
from twins.host.server import Host
from twins.runtime import sandbox


def main() -> int:
    """Run the host until it is told to stop, or the doctor; 1 and one sentence when it cannot start."""
    arguments = _arguments()
    options = Options(
        tuple(arguments.allow),
        sandbox.ports(arguments.allow_port),
        arguments.most_awake,
        arguments.require_sandbox,
    )
    try:
        code: int = arguments.run(arguments, options)
        return code
    except (HomeInUse, OSError, ValueError) as error:
        print(f"mycelium-host: {error}", file=sys.stderr)
        return 1


def _serve(arguments: argparse.Namespace, options: Options) -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    setproctitle("mycelium-host")
    estate = None if arguments.resume is None else receive(arguments.resume)
    return Host(arguments.home, options, estate).run()


def _doctor(arguments: argparse.Namespace, options: Options) -> int:
    findings = doctor.examine(arguments.home, options)
    print(msgspec.json.encode(findings).decode() if arguments.json else doctor.told(findings))
    return 0 if all(one.fine for one in findings) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m twins.host", description="The host of this machine's twins."
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    serve = verbs.add_parser(
        "serve",
        help="hold the sockets of all twins and start each twin when somebody calls it",
        epilog="example: python -m twins.host serve --home /var/lib/mycelium --allow 10.0.0.0/8",
    )
    serve.set_defaults(run=_serve)
    serve.add_argument(OPTION, type=int, help=argparse.SUPPRESS)
    examine = verbs.add_parser(
        "doctor",
        help="say what this machine offers and what is wrong with a home; exit code 1 if something is",
        epilog="example: python -m twins.host doctor --home /var/lib/mycelium --json",
    )
    examine.set_defaults(run=_doctor)
    examine.add_argument("--json", action="store_true", help="print JSON")
    for verb in (serve, examine):
        _add_options(verb)
    return parser.parse_args()


def _add_options(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--home", type=Path, required=True, metavar="DIR", help="holds twins/ and run/")
    verb.add_argument(
        "--allow",
        type=_network,
        action="append",
        default=[],
        metavar="NET",
        help="a private network that the twins may fetch from, such as 10.0.0.0/8; may be repeated",
    )
    verb.add_argument(
        "--allow-port",
        type=sandbox.port,
        action="append",
        default=[],
        metavar="PORT",
        help="a TCP port that the twins may fetch from besides 80 and 443, or any; may be repeated",
    )
    verb.add_argument(
        "--most-awake",
        type=_count,
        default=MOST_AWAKE,
        metavar="N",
        help="how many twins may be awake at once before the one that woke first is put to sleep; "
        "twins that are kept awake count but stay awake (default: %(default)s)",
    )
    verb.add_argument(
        "--require-sandbox",
        action="store_true",
        help="start no twin whose sandbox this machine cannot give in full",
    )


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a network: expected one such as 10.0.0.0/8"
        ) from error


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of twins: expected 1 or more")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
