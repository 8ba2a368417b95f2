"""Operations that are cut in the middle are finished after a restart, and done once."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import ExitStack

import pytest

from tests.crash.conftest import Mesh
from tests.portalprocess import PortalProcess

TWINS = 40


def all_are_done(states: list[str]) -> bool:
    return states == ["done"] * TWINS


def test_a_killed_portal_finishes_its_operations_after_a_restart_once(mesh: Mesh, free_port: int) -> None:
    with PortalProcess(mesh.home, free_port, "--no-demo", env=mesh.env) as first:
        first.wait_until_ready()
        mesh.run("tests.crash.mesh", "enter", str(TWINS))
        mesh.wait_for_some()
        first.stop(signal.SIGKILL)
    assert not all_are_done(mesh.states()), "the portal was not killed in the middle"
    with PortalProcess(mesh.home, free_port, "--no-demo", env=mesh.env) as second:
        second.wait_until_ready()
        mesh.wait(all_are_done)
        assert mesh.twins() == {"begun": [1] * TWINS, "whole": True}


@pytest.mark.redis
def test_a_killed_worker_loses_no_work(mesh: Mesh) -> None:
    mesh.run("django", "migrate", "--verbosity=0")
    with ExitStack() as stack:
        host = [sys.executable, "-m", "twins.host", "serve", "--home", str(mesh.home)]
        celery = [sys.executable, "-m", "celery", "-A", "portal", "-q"]
        worker = [*celery, "worker", "-P", "threads", "-c", "2", "--without-gossip", "--without-mingle"]
        _run(stack, host, mesh)
        _run(stack, [*celery, "beat"], mesh)
        first = _run(stack, worker, mesh)
        mesh.run("tests.crash.mesh", "enter", str(TWINS))
        mesh.wait_for_some()
        first.kill()
        assert not all_are_done(mesh.states()), "the worker was not killed in the middle"
        _run(stack, worker, mesh)
        mesh.wait(all_are_done)
        assert mesh.twins() == {"begun": [1] * TWINS, "whole": True}


def _run(stack: ExitStack, command: list[str], mesh: Mesh) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(command, env=mesh.env)
    stack.callback(process.wait, 30)
    stack.callback(process.terminate)
    return process
