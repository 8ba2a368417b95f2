"""A twin that somebody has taken over: what it tries, and what it may do.

As a module of the runtime it tries inside a twin's process; run as a program, `python -m tests.host.probe`
reads the targets from its input, becomes an ordinary user if it is root, enters the sandbox in its working
directory and tries there.
"""

from __future__ import annotations

import asyncio
import ctypes
import dataclasses
import gc
import json
import mmap
import os
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twins.runtime import sandbox
from twins.runtime.log.disk import LateDisk
from twins.runtime.module import Context, reducer
from twins.runtime.modules.twin import module as ordinary
from twins.runtime.sandbox import preload  # noqa: F401

NOBODY = 65534
_libc = ctypes.CDLL(None, use_errno=True)
_imports: list[int] = []


def attempts(target: dict[str, Any]) -> dict[str, Callable[[], object]]:
    """By name. The targets: `neighbour` (a folder), its `pid` and `socket`, `host_socket`, `abstract` socket,
    `parent`, a forbidden `port` and an allowed one, `feed`.
    """
    pid, parent, port = target["pid"], target["parent"], target["port"]
    return {
        "read a neighbour's key": lambda: Path(target["neighbour"], "keys", "data.key").read_bytes(),
        "list a neighbour's folder": lambda: list(Path(target["neighbour"]).iterdir()),
        "list the folder of all twins": lambda: list(Path(target["neighbour"]).parent.iterdir()),
        "link a neighbour's file": lambda: os.link(Path(target["neighbour"], "lock"), "stolen"),
        "write beside its folder": lambda: Path("..", "x").write_text("x"),
        "read a neighbour's memory": lambda: Path(f"/proc/{pid}/mem").open("rb"),
        "copy a neighbour's memory": lambda: _copy_memory(pid),
        "connect to a neighbour": lambda: _connect_unix(target["socket"]),
        "connect to the host": lambda: _connect_unix(target["host_socket"]),
        "connect to an abstract socket": lambda: _connect_unix("\0" + target["abstract"]),
        "read passwords": lambda: Path("/etc/shadow").read_text(),
        "read the parent's environment": lambda: Path(f"/proc/{parent}/environ").read_bytes(),
        "read the parent's memory": lambda: Path(f"/proc/{parent}/mem").open("rb"),
        "run a program": lambda: os.execv("/bin/true", ["true"]),
        "spawn a program": lambda: os.posix_spawn("/bin/true", ["true"], {}),
        "fork": lambda: os.fork() or os._exit(0),
        "connect where no sense may": lambda: _connect_tcp(port, 0),
        "connect there with data": lambda: _connect_tcp(port, 0x20000000),
        "connect there by another protocol": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262),
        "take a port": lambda: socket.socket().bind(("127.0.0.1", 0)),
        "make a raw socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP),
        "signal the parent": lambda: os.kill(parent, 0),
        "signal a neighbour": lambda: os.kill(pid, 0),
        "trace the parent": lambda: _checked(_libc.ptrace(16, parent, None, None)),
        "become root": lambda: os.setuid(0),
        "mount": lambda: _checked(_libc.mount(b"none", b"/", None, 0x1000, None)),
        "leave its namespaces": lambda: _checked(_libc.unshare(0x10000000)),
        "use io_uring": lambda: _checked(_libc.syscall(425, 1, ctypes.create_string_buffer(120))),
        "make a device": lambda: os.mknod("device", 0o600 | 0o20000, os.makedev(1, 3)),
        "take 2 GiB": lambda: mmap.mmap(-1, 2 << 30, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS),
        "write and read its own files": _use_folder,
        "start threads": lambda: asyncio.run(asyncio.to_thread(os.getpid)),
        "signal itself": lambda: os.kill(os.getpid(), 0),
        "connect where its senses may": lambda: _connect_tcp(target["feed"], 0),
        "find a host by name": lambda: socket.getaddrinfo("localhost", 80),
    }


ALLOWED = {
    "write and read its own files",
    "start threads",
    "signal itself",
    "connect where its senses may",
    "find a host by name",
}


def outcomes(target: dict[str, Any]) -> dict[str, str]:
    """What became of each attempt: `done`, or the name of the error."""
    return {name: _outcome(attempt) for name, attempt in attempts(target).items()}


def _outcome(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except (OSError, MemoryError) as error:
        return f"{type(error).__name__} {getattr(error, 'strerror', '')}"
    return "done"


def _checked(result: int) -> None:
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _copy_memory(pid: int) -> None:
    here = ctypes.create_string_buffer(8)
    vector = (ctypes.c_size_t * 2)(ctypes.addressof(here), 8)
    _checked(_libc.process_vm_readv(pid, vector, 1, vector, 1, 0))


def _connect_unix(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as caller:
        caller.connect(path)


def _connect_tcp(port: int, flags: int) -> None:
    with socket.socket() as caller:
        caller.settimeout(5)
        if flags:
            caller.sendto(b"x", flags, ("127.0.0.1", port))
        else:
            caller.connect(("127.0.0.1", port))


def _use_folder() -> None:
    folder = Path("of-its-own")
    folder.mkdir()
    (folder / "one").write_text("x")
    (folder / "one").rename("two")
    os.truncate("two", 0)
    Path("two").unlink()
    folder.rmdir()


@reducer(relation="can_configure")
def attempt(ctx: Context, target: dict[str, Any]) -> dict[str, str]:
    """Try everything."""
    done: list[dict[str, str]] = []
    # A thread of its own, so that an event loop may be tried too.
    thread = threading.Thread(target=lambda: done.append(outcomes(target)))
    thread.start()
    thread.join()
    return done[0]


@reducer(relation="can_configure")
def layout(ctx: Context) -> dict[str, Any]:
    """What differs from one fresh interpreter to the next."""
    return {"hash": str(hash("mycelium")), "address": str(id(None)), "user": os.getuid()}


@reducer(relation="can_configure")
def replace_placement(ctx: Context) -> str:
    """Try to say how this twin is to be started next time."""
    Path("mine.json").write_text("{}")
    return _outcome(lambda: Path("mine.json").replace("placement.json"))


@reducer(relation="can_configure")
def way_to_disk(ctx: Context) -> str:
    """How batches of records are written in this process."""
    return next(type(one.way).__name__ for one in gc.get_objects() if isinstance(one, LateDisk))


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    """Write down every module that is loaded after the process has gone into its folder."""
    if event == "os.chdir":
        _imports.append(os.open(Path(arguments[0]) / "imports", os.O_WRONLY | os.O_CREAT, 0o600))
    elif event == "import" and _imports:
        os.write(_imports[-1], f"{arguments[0]}\n".encode())


own = {one.name: one for one in (attempt, layout, replace_placement, way_to_disk)}
module = dataclasses.replace(ordinary, name="tests.host.probe", reducers={**ordinary.reducers, **own})

if __name__ == "__main__":
    given = json.loads(sys.stdin.read())
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    in_force = sandbox.apply(sandbox.Policy(None, (given["feed"],)))
    print(json.dumps({"missing": in_force.missing, "outcomes": outcomes(given)}))
elif "pytest" not in sys.modules:  # the tests look at ALLOWED only
    sys.addaudithook(_note)
