"""`python -m twins.host serve --home DIR [--allow NET]...`."""

from __future__ import annotations

import argparse
import ipaddress
import logging
import sys
from pathlib import Path

from setproctitle import setproctitle

from twins.host.lock import HomeInUse
from twins.host.server import Host


def main() -> int:
    """Run the host until it is told to stop; 1 and one sentence when it cannot start."""
    arguments = _arguments()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    setproctitle("mycelium-host")
    try:
        return Host(arguments.home, arguments.allow).run()
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
    return parser.parse_args()


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a network: expected one such as 10.0.0.0/8"
        ) from error


if __name__ == "__main__":
    sys.exit(main())
