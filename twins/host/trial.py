"""A trial: which parts of the sandbox this machine gives to a twin, found out by asking for all of them."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from twins.host import users
from twins.host.child import fork
from twins.host.options import Options
from twins.runtime import sandbox


def trial(folder: Path, options: Options) -> sandbox.InForce:
    """What is in force in a process that is confined to `folder` as a twin would be.

    Raises:
        OSError: there is no room for a process, or it ended without an answer.
    """
    out, into = os.pipe()
    user = users.TRIAL if os.geteuid() == 0 else None

    def work() -> int:
        os.chdir(folder)
        os.write(into, msgspec.json.encode(sandbox.apply(sandbox.Policy(user, options.ports))))
        return 0

    try:
        pid = fork("mycelium-trial", into, work)
    finally:
        os.close(into)
    with os.fdopen(out, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(pid, 0)
    if not answer:
        raise OSError("a process that tried the sandbox ended without an answer")
    return msgspec.json.decode(answer, type=sandbox.InForce)


def told(found: sandbox.InForce) -> str:
    """One sentence about it."""
    parts = {
        "own user": found.user >= users.TRIAL,
        "limits": found.limits,
        f"Landlock {found.landlock}": found.landlock > 0,
        "ports": found.tcp,
        "signals": found.signals,
        "seccomp": found.seccomp,
    }
    held = ", ".join(name for name, there in parts.items() if there) or "nothing"
    return f"in force for a twin: {held}" + (
        f"; missing: {'; '.join(found.missing)}" if found.missing else ""
    )
