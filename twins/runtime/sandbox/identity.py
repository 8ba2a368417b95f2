"""A user of its own for each twin, and a process that nobody but root can look into."""

from __future__ import annotations

import ctypes
import os
import stat
from pathlib import Path

from twins.runtime.sandbox import kernel

# The folder stays root's and sticky: the twin makes files in it, and cannot replace what root put there.
_FOLDER_MODE = 0o1770


def own(directory: Path, user: int, keep: str) -> None:
    """Give everything in a twin's folder to the twin's user, except the file `keep`; as root.

    Raises:
        OSError: it cannot be done, or a file has a second name, through which it could belong to others.
    """
    folder = directory.stat()
    if (folder.st_uid, folder.st_gid, stat.S_IMODE(folder.st_mode)) != (0, user, _FOLDER_MODE):
        os.chown(directory, 0, user)
        directory.chmod(_FOLDER_MODE)
    _own_entries(os.fspath(directory), user, keep)


def _own_entries(directory: str, user: int, keep: str) -> None:
    with os.scandir(directory) as entries:
        for entry in entries:
            found = entry.stat(follow_symlinks=False)
            wanted = 0 if entry.name == keep else user
            if found.st_uid != wanted:
                if found.st_nlink > 1 and not entry.is_dir(follow_symlinks=False):
                    raise PermissionError(f"{entry.path} has a second name: remove it")
                os.chown(entry.path, wanted, wanted, follow_symlinks=False)
            if entry.is_dir(follow_symlinks=False):
                _own_entries(entry.path, user, "")


def drop(user: int | None) -> None:
    """Become `user` with no groups, when one is given, and hide memory and environment from others.

    Raises:
        OSError: it cannot be done, for instance because the process is not root's.
    """
    if user is not None:
        # A change of user clears the signal that ends a twin together with its host (prctl(2)).
        signal = ctypes.c_int()
        kernel.prctl(kernel.PR_GET_PDEATHSIG, ctypes.byref(signal))
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.value)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
