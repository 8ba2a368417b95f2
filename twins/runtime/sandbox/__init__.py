"""The sandbox of a twin's process: it reaches its own folder, the ports of its senses, and nothing else.

What a kernel does not offer is left out and reported. Everything that a twin imports must be loaded before.
"""

from __future__ import annotations

import os
from argparse import ArgumentTypeError
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from twins.runtime.sandbox import identity, kernel, landlock, preload, rlimits, seccomp

__all__ = ["PORTS", "InForce", "Policy", "SandboxMissing", "apply", "enter", "port", "ports", "preload"]

# Web, and the answers of name servers that are too long for UDP.
PORTS = (53, 80, 443)


class Policy(NamedTuple):
    """What is wanted.

    `user`: the user to become, which only root can. `ports`: TCP ports that may be connected to besides
    PORTS, None for all. `required`: rather end than go on with a part of the sandbox missing.
    """

    user: int | None = None
    ports: tuple[int, ...] | None = ()
    required: bool = False


class InForce(NamedTuple):
    """What holds for this process: its user, the version of Landlock (0: none), and what is `missing`.

    With Landlock `tcp` says whether connections are limited, `signals` whether signals are.
    """

    user: int
    limits: bool
    landlock: int
    tcp: bool
    signals: bool
    seccomp: bool
    missing: tuple[str, ...]


class SandboxMissing(Exception):
    """A part of a required sandbox cannot be had on this machine."""


def port(text: str) -> int | None:
    """A TCP port as it stands on a command line; None for `any`."""
    if text == "any":
        return None
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= 65_535):
        raise ArgumentTypeError(f"{text[:20]!r} is not a port: expected 1 to 65535, or any")
    return int(text)


def ports(given: Sequence[int | None]) -> tuple[int, ...] | None:
    """The ports of a policy from those that were given, of which None means any."""
    numbers = tuple(one for one in given if one is not None)
    return numbers if len(numbers) == len(given) else None


def enter(directory: Path, policy: Policy | None) -> Path:
    """Apply the policy, if there is one, around a twin's folder; return the path by which to call it then.

    Raises:
        SandboxMissing: the policy is required and something is missing.
        OSError: there is no such folder.
    """
    if policy is None:
        return directory
    # A relative path needs no right to the folders above, which stay closed to the twin's user.
    os.chdir(directory)
    apply(policy)
    return Path()


def apply(policy: Policy) -> InForce:
    """Confine this process, which must have one thread, to its working directory; there is no way back.

    Raises:
        SandboxMissing: the policy is required and something is missing.
    """
    missing: list[str] = []
    ports = None if policy.ports is None else (*PORTS, *policy.ports)
    version = 0

    def confine() -> None:
        nonlocal version
        version = landlock.apply(Path(), ports)

    limited = _try("limits", lambda: rlimits.apply(own_user=policy.user is not None), missing)
    # Before the change of user: the new one may not even see the folders with the code.
    _try("landlock", confine, missing)
    _try("user", lambda: identity.drop(policy.user), missing)
    filtered = _try("seccomp", _filter, missing)
    if policy.required and missing:
        raise SandboxMissing(f"the sandbox is required and incomplete: {'; '.join(missing)}")
    tcp, signals = ports is not None and version >= landlock.TCP_VERSION, version >= landlock.SCOPE_VERSION
    return InForce(os.getuid(), limited, version, tcp, signals or filtered, filtered, tuple(missing))


def _filter() -> None:
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    seccomp.apply()


def _try(name: str, step: Callable[[], None], missing: list[str]) -> bool:
    if not kernel.SUPPORTED:
        missing.append(f"{name}: not on this kind of machine")
        return False
    try:
        step()
    except (OSError, ValueError) as error:
        missing.append(f"{name}: {error}")
        return False
    return True
