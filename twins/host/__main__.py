"""`python -m twins.host serve --home DIR [--allow NET]... [--most-awake N]`."""

from __future__ import annotations

import argparse
import ipaddress
import logging
import sys
from pathlib import Path

from setproctitle import setproctitle

from twins.host.lock import HomeInUse
from twins.host.pool import MOST_AWAKE
from twins.host.server import Host


def main() -> int:
    """Run the host until it is told to stop; 1 and one sentence when it cannot start."""
    arguments = _arguments()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    setproctitle("mycelium-host")
    try:
        return Host(arguments.home, arguments.allow, arguments.most_awake).run()
    except (HomeInUse, OSError) as error:
        print(f"mycelium-host: {error}", file=sys.stderr)
        return 1


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
    serve.add_argument("--home", type=Path, required=True, metavar="DIR", help="holds twins/ and run/")
    serve.add_argument(
        "--allow",
        type=_network,
        action="append",
        default=[],
        metavar="NET",
        help="a private network that the twins may fetch from, such as 10.0.0.0/8; may be repeated",
    )
    serve.add_argument(
        "--most-awake",
        type=_count,
        default=MOST_AWAKE,
        metavar="N",
        help="how many twins may be awake at once before the one that woke first is put to sleep; "
        "twins that are kept awake count but stay awake (default: %(default)s)",
    )
    return parser.parse_args()


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
