"""Where a host keeps its twins and its sockets; the only file layout that other programs may rely on."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from pathlib import Path

SLUG_LENGTH = 40
SLUG_RULE = "1 to 40 characters: lower-case letters, digits and single hyphens between them"
_HOST = "host"
_SLUG = re.compile(r"[a-z0-9](-?[a-z0-9]){0,39}")

# sun_path holds 108 bytes on Linux and 104 on BSD and macOS, the closing NUL included (unix(7)).
_SOCKET_PATH_BYTES = 103


def check_slug(slug: str) -> str:
    """Return the slug unchanged; ValueError with a plain sentence when no twin can have it."""
    if slug == _HOST:
        raise ValueError(f"{slug!r} is the host's own name: choose another slug")
    if len(slug) > SLUG_LENGTH or not _SLUG.fullmatch(slug):
        raise ValueError(f"{slug[:60]!r} is not a slug: expected {SLUG_RULE}")
    return slug


def twins_dir(home: Path) -> Path:
    """The folder that holds one folder per twin."""
    return home / "twins"


def run_dir(home: Path) -> Path:
    """The folder of the sockets: `<home>/run`, or a short one under /tmp when that path would be too long.

    Raises PermissionError when the short folder exists and somebody else could have put sockets there.
    """
    folder = home.resolve() / "run"
    longest = folder / f"{'x' * SLUG_LENGTH}.sock"
    if len(os.fsencode(longest)) <= _SOCKET_PATH_BYTES:
        return folder
    digest = hashlib.sha256(os.fsencode(home.resolve())).hexdigest()[:16]
    # Not tempfile.gettempdir(): the portal and the host must agree whatever TMPDIR each of them has.
    short = Path("/tmp") / f"mycelium-{digest}"  # noqa: S108
    _check_private(short)
    return short


def socket_of(home: Path, slug: str) -> Path:
    """The socket on which the twin answers; ValueError for a hostile slug."""
    return run_dir(home) / f"{check_slug(slug)}.sock"


def host_socket(home: Path) -> Path:
    """The host's own control socket."""
    return run_dir(home) / f"{_HOST}.sock"


def _check_private(folder: Path) -> None:
    try:
        found = folder.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise PermissionError(f"{folder} is not a private folder of this user: remove it and start again")
