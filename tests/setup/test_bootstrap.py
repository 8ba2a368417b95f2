"""`python3 manage.py` on a machine that has nothing but Python."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.portalprocess import ROOT

# what manage.py does first; then it says in which environment it goes on
PROGRAM = """
import sys
from portal.bootstrap import enter_environment
enter_environment(sys.argv)
print(sys.prefix)
"""
UNAVAILABLE = "no-such-package==1.0 --hash=sha256:" + "0" * 64


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what starts the project, with lock files that need no network."""
    (tmp_path / "portal").mkdir()
    for name in ("__init__.py", "bootstrap.py"):
        shutil.copy(ROOT / "portal" / name, tmp_path / "portal" / name)
    (tmp_path / "manage.py").write_text(PROGRAM)
    (tmp_path / "requirements.txt").write_text("# nothing\n")
    (tmp_path / "requirements-dev.txt").write_text("# nothing\n")
    return tmp_path


def start(project: Path, command: str = "up", **variables: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if name != "MYCELIUM_NO_VENV"}
    return subprocess.run(
        [sys.executable, str(project / "manage.py"), command],
        env={**env, "PIP_NO_INDEX": "1", **variables},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_first_start_makes_the_environment_and_the_next_ones_use_it(project: Path) -> None:
    first = start(project)
    assert first.stdout.strip() == str(project / ".venv"), first.stderr
    assert "Installing 0 packages into .venv" in first.stderr
    assert start(project).stderr == ""
    assert "Installing" in start(project, "test").stderr
    (project / "requirements.txt").write_text("# changed\n")
    assert "Installing" in start(project).stderr
    assert start(project, "test").stderr == ""


def test_a_package_that_cannot_be_had_is_said_in_one_line(project: Path) -> None:
    (project / "requirements.txt").write_text(UNAVAILABLE + "\n")
    done = start(project)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("manage.py: the packages could not be installed")
    assert "Traceback" not in done.stderr
    assert "Installing 1 packages" in start(project).stderr


def test_an_image_that_brings_its_packages_is_left_alone(project: Path) -> None:
    done = start(project, MYCELIUM_NO_VENV="1")
    assert done.stdout.strip() == sys.prefix
    assert not (project / ".venv").exists()


def test_a_python_that_is_too_old_is_told_so(project: Path) -> None:
    program = PROGRAM.replace(
        "enter_environment(sys",
        "import portal.bootstrap as b; b.OLDEST_PYTHON = (99, 0)\nb.enter_environment(sys",
    )
    (project / "manage.py").write_text(program)
    done = start(project)
    assert done.returncode == 1
    assert done.stderr.startswith("manage.py: Python 3.11 or newer is needed, this is ")
    assert not (project / ".venv").exists()
