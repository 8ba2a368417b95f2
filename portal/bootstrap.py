"""The project's own environment: `.venv` with the locked requirements. Standard library only.

`manage.py` calls `enter_environment` before anything else, so it must run on a bare Python.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List, NoReturn, Optional, Sequence

ROOT = Path(__file__).resolve().parent.parent
OLDEST_PYTHON = (3, 11)
UV = "uv==0.13.9"
DEVELOPMENT_COMMANDS = ("test", "bench")


def enter_environment(argv: Sequence[str]) -> None:
    """Goes on when already inside `.venv`; otherwise makes it as needed and starts `argv` again inside it.

    MYCELIUM_NO_VENV=1 keeps the Python that runs. Ends the program with one line when it cannot be done.
    """
    if os.environ.get("MYCELIUM_NO_VENV") == "1":
        return
    if sys.version_info < OLDEST_PYTHON:
        _give_up("Python 3.11 or newer is needed, this is {}.{}".format(*sys.version_info[:2]))
    venv = ROOT / ".venv"
    files = requirement_files(argv)
    wanted = {file.name: stamp_of(file) for file in files}
    installed = stamps(venv)
    if any(installed.get(name) != stamp for name, stamp in wanted.items()):
        install(venv, files)
        (venv / ".stamp").write_text(json.dumps({**installed, **wanted}))
    if Path(sys.prefix).resolve() != venv.resolve():
        python = str(venv / "bin" / "python")
        os.execv(python, [python, *argv])


def requirement_files(argv: Sequence[str]) -> List[Path]:
    """The lock files that the command needs: development tools only for those that use them."""
    files = [ROOT / "requirements.txt"]
    if any(command in argv[1:2] for command in DEVELOPMENT_COMMANDS):
        files.append(ROOT / "requirements-dev.txt")
    return files


def stamp_of(file: Path) -> str:
    """SHA-256 over a lock file and the Python: another one means that an installation is due."""
    return hashlib.sha256(file.read_bytes() + sys.version.encode()).hexdigest()


def stamps(venv: Path) -> Dict[str, str]:
    """Lock file name -> stamp of what is installed in `venv`; empty when that cannot be told."""
    try:
        found = json.loads((venv / ".stamp").read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def install(venv: Path, files: Sequence[Path]) -> None:
    """Makes `venv` if needed and installs exactly the hashed `files`: through uv for speed, else pip."""
    if not (venv / "bin" / "pip").exists():
        _make(venv)
    count = sum(len(re.findall(r"^[\w.\[\]-]+==", file.read_text(), re.MULTILINE)) for file in files)
    _say("Installing {} packages into {} ...".format(count, venv.name))
    python = str(venv / "bin" / "python")
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    locked = ["--require-hashes", *(word for file in files for word in ("-r", str(file)))]
    uv = [str(venv / "bin" / "uv"), "pip", "install", "--quiet", "--compile-bytecode", "--python", python]
    if _runs([*pip, UV]) and _runs([*uv, *locked]):
        return
    done = _run([*pip, *locked])
    if done.returncode:
        _give_up("the packages could not be installed (is there a network?): " + _last_line(done.stderr))


def _make(venv: Path) -> None:
    """Makes an empty virtual environment; Debian ships the module for that in a package of its own."""
    _say("Making {} ...".format(venv.name))
    command = [sys.executable, "-m", "venv", "--clear", str(venv)]
    if _runs(command):
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        _say("Installing python3-venv ...")
        quiet = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
        _run(["apt-get", "update", "-qq"], quiet)
        _run(["apt-get", "install", "-yqq", "--no-install-recommends", "python3-venv"], quiet)
        if _runs(command):
            return
    _give_up("python3-venv is missing: install it (sudo apt-get install python3-venv) and try again")


def _run(command: Sequence[str], env: Optional[Dict[str, str]] = None) -> subprocess.CompletedProcess[Any]:
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def _runs(command: Sequence[str]) -> bool:
    return _run(command).returncode == 0


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[-1]


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _give_up(reason: str) -> NoReturn:
    sys.exit("manage.py: " + reason)
