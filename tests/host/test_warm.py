"""The process from which twins are forked lives through theirs first, and keeps nothing of it."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.host.machine import PATIENCE_SECONDS, ROOT

PROGRAM = """
import asyncio, json, os, signal
from twins.host.warm import warm
from twins.runtime.module import load

def open_files():
    links = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
    # libuv keeps one pipe for the whole process and makes another one in a child.
    kinds = [os.readlink(link).partition(":")[0] for link in links if os.path.exists(link)]
    return sorted(kind for kind in kinds if kind != "pipe")

module, before = load("twin"), [open_files(), str(signal.getsignal(signal.SIGTERM))]
warm(module)
after = [open_files(), str(signal.getsignal(signal.SIGTERM))]
print(json.dumps([before == after, os.listdir("/proc/self/task") == [str(os.getpid())]]))
"""


def test_the_warm_up_leaves_no_thread_no_socket_and_no_signal_handler() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=True,
    )
    assert json.loads(done.stdout) == [True, True], done.stderr
