"""The doctor: what this machine offers to a host, and what is wrong with a home."""

from __future__ import annotations

import platform
import resource
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from twins.host import paths, trial
from twins.host.client import HostClient, HostError, HostUnreachable
from twins.host.options import Options
from twins.runtime.sandbox import landlock

# One descriptor per twin, some for itself; and three for each twin that is being made or woken.
_FEW_FILES = 4096


class Finding(NamedTuple):
    """One thing that was looked at: whether it is `fine`, and what was `seen`."""

    name: str
    fine: bool
    seen: str


def examine(home: Path, options: Options) -> list[Finding]:
    """Look at everything; changes nothing and needs no host."""
    return [_kernel(), _sandbox(options), _files(), *_host(home)]


def told(findings: list[Finding]) -> str:
    """One line for each."""
    return "\n".join(f"{'ok ' if one.fine else 'bad'} {one.name}: {one.seen}" for one in findings)


def _kernel() -> Finding:
    known = landlock.version()
    spaces = _read("/proc/sys/user/max_user_namespaces", "unknown")
    actions = _read("/proc/sys/kernel/seccomp/actions_avail", "none")
    seen = f"{platform.release()} on {platform.machine()}, Landlock {known}, user namespaces {spaces}"
    return Finding("kernel", known > 0 and "errno" in actions, f"{seen}, seccomp: {actions}")


def _sandbox(options: Options) -> Finding:
    with tempfile.TemporaryDirectory() as folder:
        found = trial.trial(Path(folder), options)
    return Finding("sandbox", not found.missing, trial.told(found))


def _files() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return Finding("open files", hard >= _FEW_FILES, f"{soft}, a host may raise it to {hard}")


def _host(home: Path) -> Iterator[Finding]:
    try:
        sockets = {path.name for path in paths.run_dir(home).glob("*.sock")}
    except PermissionError as error:
        yield Finding("sockets", False, str(error))
        return
    try:
        answer = HostClient(home, timeout=5.0).ping()
    except (HostUnreachable, HostError) as error:
        yield Finding("host", not sockets, error.detail if sockets else "none runs here")
        stale = ", ".join(sorted(sockets)) or "none"
        yield Finding("sockets", not sockets, f"{stale} that nobody answers; the next host replaces them")
        yield _processes(home, None)
    else:
        yield Finding("host", True, f"process {answer['pid']}, {answer['twins']} twins")
        yield Finding("sockets", True, f"{len(sockets)} in {paths.run_dir(home)}")
        yield _processes(home, answer["pid"])


def _processes(home: Path, host: int | None) -> Finding:
    """Twins end with their host, so none may be left that has none."""
    twins = [int(entry.name) for entry in Path("/proc").glob("[0-9]*") if _is_of(home, entry)]
    stale = [pid for pid in twins if _parent(pid) != host]
    without = f"without a host: {', '.join(map(str, stale))}"
    return Finding("processes", not stale, without if stale else f"{len(twins)} twins of this home awake")


def _is_of(home: Path, process: Path) -> bool:
    """A twin's process is in the twin's folder."""
    try:
        return (process / "cwd").readlink().parent == paths.twins_dir(home).resolve()
    except OSError:
        return False


def _parent(pid: int) -> int:
    fields = _read(f"/proc/{pid}/stat", "").rpartition(")")[2].split()
    return int(fields[1]) if len(fields) > 1 else 0


def _read(path: str, otherwise: str) -> str:
    try:
        return Path(path).read_text().replace("\0", " ").strip()
    except OSError:
        return otherwise
