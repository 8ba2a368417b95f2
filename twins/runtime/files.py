"""Files that must survive a power cut and be read by nobody else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def sync_directory(directory: Path) -> None:
    """Make the directory's entries durable; raises OSError, which names the directory."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with _naming(directory):
            os.fsync(fd)
    finally:
        os.close(fd)


def listed(directory: Path, prefix: str = "", suffix: str = "") -> list[Path]:
    """The entries whose names begin and end so, in no order; none when the directory is missing."""
    try:
        found = list(directory.iterdir())
    except FileNotFoundError:
        return []
    return [path for path in found if path.name.startswith(prefix) and path.name.endswith(suffix)]


def make_directory(directory: Path) -> None:
    """Make the directory, mode 0700, if it is missing."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.chmod(0o700)


def write_private(path: Path, data: bytes) -> None:
    """Write a whole file, mode 0600, so that either all of it or nothing is there after a crash.

    Raises:
        OSError: it names the path. The old file is there, or the new one if only the folder's entry could not
            be made durable.
    """
    half = path.with_name(path.name + ".part")
    half.unlink(missing_ok=True)
    try:
        with _naming(path):
            _write_new(half, data)
            half.replace(path)
    except OSError:
        with suppress(OSError):
            half.unlink()
        raise
    sync_directory(path.parent)


def _write_new(path: Path, data: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        write_all(fd, data)
        os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Let an error name the file that was meant; one from a descriptor names none."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None


def overwrite(path: Path) -> None:
    """Write zeros over a file, for what they are worth: a disk may keep the old blocks elsewhere."""
    fd = os.open(path, os.O_WRONLY | os.O_NOFOLLOW)
    try:
        write_all(fd, bytes(os.fstat(fd).st_size))
        os.fsync(fd)
    finally:
        os.close(fd)


def write_all(fd: int, data: bytes) -> None:
    """Write every byte; the system may take a long buffer in parts."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
