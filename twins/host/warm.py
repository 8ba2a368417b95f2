"""A warm-up of the process from which all twins are forked.

What runs here once (the libraries' own set-up, caches, specialised code) is then shared, and neither costs a
twin its time nor a page of memory. No thread may be alive when a process is forked, so nothing is written.
"""

from __future__ import annotations

import asyncio
import socket
import tempfile
from pathlib import Path

from twins.runtime import init
from twins.runtime.module import Module
from twins.runtime.twin import Twin

_ROUNDS = 3


def warm(module: Module) -> None:
    """Open a twin that exists only for this, and let an event loop answer somebody."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "twin"
        init.create(directory, slug="warm", name="Warm", genesis={})
        for _ in range(_ROUNDS):
            Twin(directory, module)
    asyncio.run(_answer())


async def _answer() -> None:
    caller, twin = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=caller)
    for _ in range(_ROUNDS):
        writer.write(b"x")
        await writer.drain()
        twin.send(twin.recv(1))
        await reader.read(1)
    writer.close()
    await writer.wait_closed()
    twin.close()
