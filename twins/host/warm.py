"""A warm-up of the process from which all twins are forked.

What ran here often enough (the libraries' own set-up, caches, specialised code) is shared by all twins, and
costs none of them its time or a page of memory. Nothing of it may be left when a process is forked: no
thread, no event loop, no open file, no secret but those of twins that never were.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvloop

from twins.host import dense
from twins.runtime import init, serve, tokens
from twins.runtime.log.disk import PlainDisk
from twins.runtime.module import Module
from twins.runtime.twin import Twin

# CPython specialises what it has run eight times (PEP 659).
_LIVES = 10
_IDLE_SECONDS = 0.05
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_THREADS = Path("/proc/self/task")
_OWNER = "user:01JABCDEFGHJKMNPQRSTVWXYZ0"
_SLICE = {"name": "warm", "title": "Warm", "kind": "warm", "listed": True, "sensitivity": "internal"}
_OBJECT = b'{"slice":"warm","id":"warm","body":{"n":1}}'
_REQUESTS = (
    b"GET /healthz HTTP/1.1\r\nHost: twin\r\n\r\n"
    b"POST /v1/call/put HTTP/1.1\r\nHost: twin\r\nAuthorization: Bearer %%b\r\nContent-Length: %d\r\n\r\n%b"
    b"GET /v1/slices/warm/objects HTTP/1.1\r\nHost: twin\r\nAuthorization: Bearer %%b\r\n\r\n"
    b"GET /.well-known/mycelium.json HTTP/1.1\r\nHost: twin\r\nConnection: close\r\n\r\n"
) % (len(_OBJECT), _OBJECT)


def warm(module: Module) -> None:
    """Let twins that exist only for this live at the same time, from the first record to the last."""
    with tempfile.TemporaryDirectory() as folder:
        first, *others = [Path(folder) / str(one) for one in range(1 + _LIVES)]
        key = tokens.generate_key()
        owner = {_OWNER: {"name": "Warm", "key": tokens.public_x(key)}}
        genesis = {"custody": None, "owner": owner, "admins": {}, "slices": [_SLICE], "senses": []}
        made = init.create(first, slug="warm", name="Warm", genesis=genesis)
        token = tokens.sign(key, iss=_OWNER, sub=_OWNER, aud=made["id"], seconds=60).encode()
        for home in others:
            shutil.copytree(first, home)
        requests = _REQUESTS % (token, token)
        with dense.watched() as ran:
            _live_all([first], module, requests)
        dense.gather(ran)
        _live_all(others, module, requests)


def _live_all(homes: list[Path], module: Module, requests: bytes) -> None:
    twins = [Twin(home, module, PlainDisk) for home in homes]
    with _signals_kept(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_live(twins, requests))
    # A thread that was waited for may still be about to leave.
    while _THREADS.exists() and len(list(_THREADS.iterdir())) > 1:
        time.sleep(0.001)


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Keep what tells the host to end from these twins: it comes when they are gone."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    handlers = [signal.getsignal(one) for one in _SIGNALS]
    try:
        yield
    finally:
        for one, handler in zip(_SIGNALS, handlers, strict=True):
            signal.signal(one, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


async def _live(twins: list[Twin], requests: bytes) -> None:
    await asyncio.gather(*(_live_once(twin, requests) for twin in twins))


async def _live_once(twin: Twin, requests: bytes) -> None:
    address = str(twin.directory / "sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        life = asyncio.create_task(
            serve.live(twin, listener, serve.Options(_IDLE_SECONDS, (), "fast", own=True))
        )
        reader, writer = await asyncio.open_unix_connection(address)
        writer.write(requests)
        await reader.read()
        writer.close()
        await life
