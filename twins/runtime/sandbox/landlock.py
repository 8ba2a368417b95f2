"""Landlock: which files, TCP ports, signals and abstract sockets a process may reach (landlock(7))."""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Sequence
from pathlib import Path

from twins.runtime.sandbox import kernel

_VERSION = 1
_RULE_PATH, _RULE_PORT = 1, 2
_CONNECT_TCP = 2
_BIND_OR_CONNECT = 3
_SIGNAL_OR_ABSTRACT = 3

_WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 1, 1 << 2, 1 << 3
_REMOVE, _MAKE_DIR, _MAKE_REG = (1 << 4) | (1 << 5), 1 << 7, 1 << 8
_REFER, _TRUNCATE = 1 << 13, 1 << 14
_READ = _READ_FILE | _READ_DIR
_OWN = _READ | _WRITE_FILE | _REMOVE | _MAKE_DIR | _MAKE_REG | _REFER | _TRUNCATE
# How many of the rights on files a version knows.
_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}
_RIGHTS_OF_LATER = 16
# The first versions that limit TCP, and signals.
TCP_VERSION, SCOPE_VERSION = 4, 6

# What the C library reads to find a host by name and to keep time; none of it is secret.
_SYSTEM = (
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/share/zoneinfo",
    "/etc/gai.conf",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/pki/tls/certs",
    "/etc/protocols",
    "/etc/resolv.conf",
    "/etc/services",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/dev/urandom",
    "/proc/self",
)


def _readable() -> tuple[tuple[str, int], ...]:
    """Code and libraries, with the rights; no folder of sys.path, below which data of others may lie."""
    libraries = {f"{prefix}/lib" for prefix in (sys.prefix, sys.base_prefix)}
    paths = [str(Path(__file__).parents[1]), *sorted(libraries), *_SYSTEM]
    return tuple(
        (path, _READ if Path(path).is_dir() else _READ_FILE) for path in paths if Path(path).exists()
    )


# Found once, before any twin's process is forked.
_READABLE = _readable()


def version() -> int:
    """The kernel's version of Landlock, 0 where there is none."""
    try:
        return kernel.call("landlock_create_ruleset", None, 0, _VERSION)
    except OSError:
        return 0


def apply(directory: Path, ports: Sequence[int] | None) -> int:
    """Confine the calling thread: read and write below `directory`, read code and the system's libraries.

    It may not bind TCP ports, and connects to `ports` only (None: to all). Returns the version of Landlock;
    OSError when the kernel has none.
    """
    known = kernel.call("landlock_create_ruleset", None, 0, _VERSION)
    rights = (1 << _RIGHTS.get(known, _RIGHTS_OF_LATER)) - 1
    tcp = _BIND_OR_CONNECT if known >= TCP_VERSION else 0
    if ports is None:
        tcp &= ~_CONNECT_TCP
    scope = _SIGNAL_OR_ABSTRACT if known >= SCOPE_VERSION else 0
    ruleset = _create(rights, tcp, scope, known)
    try:
        _allow_path(ruleset, os.fspath(directory), _OWN & rights)
        _allow_path(ruleset, os.devnull, (_READ_FILE | _WRITE_FILE) & rights)
        for path, wanted in _READABLE:
            try:
                _allow_path(ruleset, path, wanted)
            except (FileNotFoundError, PermissionError):
                # What this user cannot open needs no permission.
                continue
        for port in ports or () if tcp else ():
            _allow(ruleset, _RULE_PORT, struct.pack("<QQ", _CONNECT_TCP, port))
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        kernel.call("landlock_restrict_self", ruleset, 0)
    finally:
        os.close(ruleset)
    return known


def _create(rights: int, tcp: int, scope: int, known: int) -> int:
    words = [rights, tcp, scope][: 1 + (known >= TCP_VERSION) + (known >= SCOPE_VERSION)]
    data = struct.pack(f"<{len(words)}Q", *words)
    return kernel.call("landlock_create_ruleset", data, len(data), 0)


def _allow_path(ruleset: int, path: str, rights: int) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        _allow(ruleset, _RULE_PATH, struct.pack("<Qi", rights, descriptor))
    finally:
        os.close(descriptor)


def _allow(ruleset: int, kind: int, rule: bytes) -> None:
    kernel.call("landlock_add_rule", ruleset, kind, rule, 0)
