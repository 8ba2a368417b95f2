"""`python -m twins.runtime.authz --port 8080`: an OpenFGA server for development, in memory."""

from __future__ import annotations

import argparse
import asyncio
import signal
import socket
import sys
from collections.abc import Sequence

import uvloop

from twins.runtime.authz.server import Server
from twins.runtime.server.fast import FastWire
from twins.runtime.server.wire import Limits


def main(argv: Sequence[str]) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m twins.runtime.authz",
        description="Serve OpenFGA's HTTP interface from memory; everything is gone when it ends.",
        epilog="example: python -m twins.runtime.authz --port 8080",
    )
    parser.add_argument("--port", type=int, default=8080, help="TCP port on 127.0.0.1 (default: 8080)")
    options = parser.parse_args(argv)
    try:
        sock = socket.create_server(("127.0.0.1", options.port), backlog=256)
    except (OSError, OverflowError) as error:
        sys.stderr.write(f"error: port {options.port} cannot be served: {error}\n")
        return 1
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(sock))
    return 0


async def _serve(sock: socket.socket) -> None:
    wire = FastWire(Server(), Limits(idle_seconds=60.0))
    await wire.start(sock)
    sys.stdout.write(f"serving on http://127.0.0.1:{sock.getsockname()[1]}\n")
    sys.stdout.flush()
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    await ended.wait()
    await wire.stop(drain=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
