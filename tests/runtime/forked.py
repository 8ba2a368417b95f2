"""Processes of the runtime that begin in milliseconds: forks of one that has imported it, as a host forks."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from twins.runtime.cli import main

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload([__name__, "twins.runtime.serve"])


class Forked:
    """`python -m twins.runtime`, without a new interpreter; as much of `subprocess.Popen` as tests use."""

    def __init__(self, arguments: Sequence[str], out: str, errors: str) -> None:
        environment = dict(os.environ)
        self._process = FORKS.Process(target=_main, args=(arguments, out, errors, environment))
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid
        self.terminate = self._process.terminate
        self.kill = self._process.kill

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""
        return self._process.exitcode

    def wait(self, seconds: float) -> int:
        """The exit code, when the process has ended."""
        self._process.join(seconds)
        code = self._process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired("twins.runtime", seconds)
        return code


def run(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a command of the runtime to its end."""
    with tempfile.TemporaryDirectory() as home:
        out, errors = Path(home, "out"), Path(home, "errors")
        code = Forked(arguments, str(out), str(errors)).wait(60)
        return subprocess.CompletedProcess(list(arguments), code, out.read_text(), errors.read_text())


def _main(arguments: Sequence[str], out: str, errors: str, environment: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    for path, fd in ((out, 1), (errors, 2)):
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(opened, fd)
        os.close(opened)
    sys.exit(main(list(arguments)))
