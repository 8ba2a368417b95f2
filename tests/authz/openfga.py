"""OpenFGA: where the program of one pinned version is, built by Go into a cache if need be.

Needs the standard library only: CI runs it before the tests, since the first build takes some minutes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

VERSION = "v1.22.1"
PACKAGE = f"github.com/openfga/openfga/cmd/openfga@{VERSION}"
BUILD_SECONDS = 900


class Missing(Exception):
    """There is no program; the text says why."""


def program() -> Path:
    """The server's program.

    Raises:
        Missing: it is not there and cannot be built.
    """
    found = shutil.which("openfga")
    if found is not None:
        return Path(found)
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    cache = home / "mycelium" / f"openfga-{VERSION}"
    if not (cache / "openfga").exists():
        _build(cache)
    return cache / "openfga"


def _build(cache: Path) -> None:
    if shutil.which("go") is None:
        raise Missing("there is neither `openfga` nor Go on this machine")
    cache.mkdir(parents=True, exist_ok=True)
    command, where = ["go", "install", PACKAGE], {**os.environ, "GOBIN": str(cache)}
    try:
        built = subprocess.run(
            command, env=where, capture_output=True, check=False, text=True, timeout=BUILD_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise Missing(f"building {PACKAGE} took longer than {BUILD_SECONDS} s") from None
    if built.returncode != 0:
        raise Missing(f"{PACKAGE} cannot be built here: {built.stderr.strip()[-300:]}")


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{program()}\n")
    except Missing as missing:
        sys.exit(f"no OpenFGA server: {missing}")
