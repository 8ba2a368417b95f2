"""Doctor: looks at a twin's directory and process, and says of each thing whether it is well."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

from twins.runtime.keys import KeyStore, KeysUnusable
from twins.runtime.log import epoch
from twins.runtime.log.damage import LogDamaged, LogMissing
from twins.runtime.sandbox import landlock
from twins.runtime.sealing import seal_of
from twins.runtime.snapshots import manifest
from twins.runtime.snapshots.chunks import ChunkUnusable
from twins.runtime.snapshots.manifest import ManifestUnusable
from twins.runtime.snapshots.store import SnapshotStore
from twins.runtime.verification import verify

OTHERS = 0o077
LOW_BYTES, LOW_SHARE = 256 * 1024 * 1024, 0.05
Level = Literal["ok", "warn", "fail"]


class Finding(NamedTuple):
    """One thing that was looked at; `remedy` is a sentence, or "" when all is well."""

    name: str
    level: Level
    says: str
    remedy: str = ""


def examine(directory: Path, *, deep: bool = False) -> list[Finding]:
    """Look at everything; `deep` reads the whole log and every snapshot."""
    if not directory.is_dir():
        return [Finding("directory", "fail", f"{directory} is not there", "Name the directory of a twin.")]
    keys = KeyStore(directory)
    findings = [_modes(directory), *_keys(keys), *_process(directory), _kernel(), _disk(directory)]
    if all(finding.level != "fail" for finding in findings if finding.name in ("vault", "key tree")):
        findings += [_epoch(directory), _log(directory, keys), *_snapshots(directory, keys, deep)]
    return findings


def _epoch(directory: Path) -> Finding:
    try:
        return Finding("epoch", "ok", f"this copy is number {epoch.stored(directory)}")
    except epoch.TwinMoved as error:
        remedy = "Restore the file from a backup of the same day: without it nobody can tell who may write."
        return Finding("epoch", "fail", str(error), remedy)


def _modes(directory: Path) -> Finding:
    wrong = [path for path in (directory, *directory.rglob("*")) if _is_open(path)]
    if not wrong:
        return Finding("modes", "ok", "nobody else may read the files")
    names = ", ".join(str(path) for path in wrong[:5]) + (", …" if len(wrong) > 5 else "")
    return Finding("modes", "fail", f"others may enter: {names}", f"Run chmod -R go= {directory}.")


def _is_open(path: Path) -> bool:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return False
    return bool(status.st_mode & OTHERS) and not stat.S_ISLNK(status.st_mode)


def _keys(keys: KeyStore) -> Iterator[Finding]:
    try:
        keys.data_key()
        yield Finding("vault", "ok", f"the vault ({keys.box.kind}) opens")
    except KeysUnusable as error:
        remedy = "Bring the vault back, or restore keys/ from a backup: without it nothing can be read."
        yield Finding("vault", "fail", str(error), remedy)
        return
    try:
        keys.part_key(0, 0)
        yield Finding("key tree", "ok", "it opens")
    except KeysUnusable as error:
        yield Finding("key tree", "fail", str(error), "Restore keys/ from a backup of the same day.")
    kids = sorted(path.stem for path in keys.directory.glob("*.signing"))
    try:
        for kid in kids:
            keys.signing_key(kid)
    except KeysUnusable as error:
        kids = []
        yield Finding("signing key", "fail", str(error), "Restore keys/ from a backup.")
    if len(kids) == 1:
        yield Finding("signing key", "ok", kids[0])
    elif kids:
        yield Finding(
            "signing key", "warn", f"there are {len(kids)}", "The twin removes old ones at its start."
        )


def _process(directory: Path) -> Iterator[Finding]:
    pid = holder(directory / "lock")
    if pid is None:
        yield Finding("process", "ok", "the twin sleeps")
        return
    try:
        status = _status(pid)
    except OSError:
        yield Finding(
            "process", "warn", f"process {pid} has the twin open and cannot be looked at", "Run as root."
        )
        return
    uid = status["Uid"].split()[1]
    yield Finding("process", "ok", f"process {pid} has the twin open, as user {uid}")
    yield _in_force(
        "root", uid != "0", "the process is not root's", "Let the host give the twin a user of its own."
    )
    held = status.get("NoNewPrivs") == "1"
    yield _in_force(
        "no_new_privs", held, "the process can gain no rights", "Serve it from a host with a sandbox."
    )
    filtered = status.get("Seccomp") == "2"
    yield _in_force("seccomp", filtered, "system calls are filtered", "Serve it from a host with a sandbox.")
    yield _core(pid)


def _in_force(name: str, held: bool, says: str, remedy: str) -> Finding:
    if held:
        return Finding(name, "ok", says)
    return Finding(name, "warn", f"not in force: {says}", remedy)


def _core(pid: int) -> Finding:
    limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
    line = next((line.split() for line in limits if line.startswith("Max core file size")), [])
    held = line[4:6] == ["0", "0"]
    return _in_force(
        "core dumps", held, "a crash writes no memory to the disk", "Serve it with this runtime."
    )


def _status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def holder(lock: Path) -> int | None:
    """The process that holds a lock file (flock(2)), as /proc/locks has it; None when nobody does."""
    try:
        status = lock.stat()
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return None
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    held = [line.split() for line in lines if " FLOCK " in line and "->" not in line]
    return next((int(fields[4]) for fields in held if fields[5] == device), None)


def _kernel() -> Finding:
    """What a sandbox could be made of here."""
    known = landlock.version()
    try:
        filters = "errno" in Path("/proc/sys/kernel/seccomp/actions_avail").read_text()
    except OSError:
        filters = False
    says = f"Landlock {known or 'missing'}, seccomp {'there' if filters else 'missing'}"
    if known and filters:
        return Finding("kernel", "ok", says)
    return Finding("kernel", "warn", says, "A sandbox here lacks what is missing; take a newer kernel.")


def _disk(directory: Path) -> Finding:
    usage = shutil.disk_usage(directory)
    says = f"{usage.free // 1024**2:,} MiB free"
    if usage.free < LOW_BYTES or usage.free < usage.total * LOW_SHARE:
        return Finding("disk", "warn", says, "Make room: a twin that cannot write stops.")
    return Finding("disk", "ok", says)


def _log(directory: Path, keys: KeyStore) -> Finding:
    try:
        found: dict[str, Any] = verify(directory, seal_of(keys))
    except (LogMissing, LogDamaged) as error:
        found = {"ok": False, "problem": str(error)}
    if not found["ok"]:
        return Finding(
            "log", "fail", found["problem"], "Restore the directory from a backup, and keep this one."
        )
    says = f"{found['records']} records, head {found['head']['hash'][:16]}…"
    if found["torn_bytes"]:
        says += f", {found['torn_bytes']} bytes of an unfinished write, which the next start removes"
    return Finding("log", "ok", says)


def _snapshots(directory: Path, keys: KeyStore, deep: bool) -> Iterator[Finding]:
    store = SnapshotStore(directory, keys)
    look: Callable[[Path], Any] = (
        store.open if deep else lambda path: manifest.read(path, keys.snapshot_key())
    )
    paths = manifest.paths(store.directory)
    for path in paths:
        try:
            look(path)
            yield Finding("snapshot", "ok", f"{path.name} holds")
        except (ManifestUnusable, ChunkUnusable) as error:
            remedy = "Remove it: the twin starts from an older one, or from its whole log."
            yield Finding("snapshot", "warn", f"{path.name}: {error}", remedy)
    if not paths:
        yield Finding("snapshot", "ok", "there is none yet")
