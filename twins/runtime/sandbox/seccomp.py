"""seccomp: system calls that a twin never needs are refused by the kernel (seccomp(2), BPF)."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
from collections.abc import Sequence
from typing import NamedTuple

from twins.runtime.sandbox import kernel

_SET_MODE_FILTER = 1
_MODE_FILTER = 2
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32 = 0x40000000
_LOAD, _AND, _RETURN = 0x20, 0x54, 0x06
_EQUAL, _AT_LEAST, _ANY_BIT = 0x15, 0x35, 0x45
_ALLOW, _ERROR, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_NUMBER_AT, _ARCH_AT, _ARGUMENTS_AT = 0, 4, 16

_STEP = struct.Struct("<HBBI")
# Stands for the process's own number, which is not known when the program is made; no process can have it.
_SOME_PROCESS = 0x7FFFFFFF

_CLONE_THREAD = 0x10000
_MSG_FASTOPEN = 0x20000000
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_SOCK_TYPE_MASK = 0xF

# Who asks for these falls back to others when they seem not to exist; glibc's threads do so for clone3.
_ABSENT = ("clone3", "io_uring_enter", "io_uring_register", "io_uring_setup")
_SIGNALS = ("kill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo")


class _Step(NamedTuple):
    """struct sock_filter of linux/filter.h."""

    code: int
    k: int
    yes: int = 0
    no: int = 0


def apply() -> None:
    """Refuse them from now on, in this thread and those that it starts; OSError when that is not possible.

    Needs no_new_privs, or root.
    """
    data = _TEMPLATE.replace(struct.pack("<I", _SOME_PROCESS), struct.pack("<I", os.getpid()))
    steps = _Steps.from_buffer_copy(data)
    head = struct.pack("<HxxxxxxQ", len(data) // _STEP.size, ctypes.addressof(steps))
    kernel.call("seccomp", _SET_MODE_FILTER, 0, head)


def in_force() -> bool:
    """Are this process's system calls filtered, by whomever?"""
    return kernel.SUPPORTED and kernel.call("prctl", kernel.PR_GET_SECCOMP) == _MODE_FILTER


def _program() -> list[_Step]:
    steps = [
        _Step(_LOAD, _ARCH_AT),
        _Step(_EQUAL, _AUDIT_ARCH[kernel.MACHINE], yes=1),
        _Step(_RETURN, _KILL),
        _Step(_LOAD, _NUMBER_AT),
    ]
    if kernel.MACHINE == "x86_64":
        steps += [_Step(_AT_LEAST, _X32, no=1), _refuse()]
    steps += _when(_ABSENT, [_refuse(errno.ENOSYS)])
    steps += _when(["clone"], _no_bit_then_refuse(0, _CLONE_THREAD))
    steps += _when(_SIGNALS, [*_one_of(0, [_SOME_PROCESS]), _Step(_RETURN, _ALLOW)])
    steps += _when(["prlimit64"], [*_one_of(0, [0, _SOME_PROCESS]), _Step(_RETURN, _ALLOW)])
    steps += _when(["socket"], _internet_only())
    # A connection that opens with its first data is not seen by Landlock.
    steps += _when(["sendto", "sendmmsg"], _bit_then_refuse(3, _MSG_FASTOPEN))
    steps += _when(["sendmsg"], _bit_then_refuse(2, _MSG_FASTOPEN))
    # Both would type into the terminal that the host was started from.
    steps += _when(["ioctl"], _none_of(1, [_TIOCSTI, _TIOCLINUX]))
    steps += _when([*kernel.REFUSED], [_refuse()])
    return [*steps, _Step(_RETURN, _ALLOW)]


def _when(names: Sequence[str], then: list[_Step]) -> list[_Step]:
    """`then`, which must return, for these calls; the accumulator holds the number before and after."""
    numbers = [number for name in names if (number := kernel.number(name)) is not None]
    last = len(numbers) - 1
    tests = [_Step(_EQUAL, number, yes=last - at) for at, number in enumerate(numbers)]
    tests[-1] = tests[-1]._replace(no=len(then))
    return tests + then


def _internet_only() -> list[_Step]:
    """TCP and UDP over IP; a twin inherits the only unix socket that it needs, and socketpair stays."""
    return [
        *_one_of(0, [socket.AF_INET, socket.AF_INET6], errno.EAFNOSUPPORT),
        *_one_of(1, [socket.SOCK_STREAM, socket.SOCK_DGRAM], errno.EPROTONOSUPPORT, mask=_SOCK_TYPE_MASK),
        # Landlock knows TCP only, not for instance MPTCP.
        *_one_of(2, [0, socket.IPPROTO_TCP, socket.IPPROTO_UDP], errno.EPROTONOSUPPORT),
        _Step(_RETURN, _ALLOW),
    ]


def _one_of(argument: int, values: Sequence[int], error: int = errno.EPERM, mask: int = 0) -> list[_Step]:
    """Go on when the argument is one of the values; the upper half of an int argument means nothing."""
    load = [_Step(_LOAD, _ARGUMENTS_AT + 8 * argument)] + ([_Step(_AND, mask)] if mask else [])
    tests = [_Step(_EQUAL, value, yes=len(values) - at) for at, value in enumerate(values)]
    return [*load, *tests, _refuse(error)]


def _none_of(argument: int, values: Sequence[int]) -> list[_Step]:
    tests = [_Step(_EQUAL, value, yes=len(values) - at) for at, value in enumerate(values)]
    return [_Step(_LOAD, _ARGUMENTS_AT + 8 * argument), *tests, _Step(_RETURN, _ALLOW), _refuse()]


def _bit_then_refuse(argument: int, bit: int) -> list[_Step]:
    load = _Step(_LOAD, _ARGUMENTS_AT + 8 * argument)
    return [load, _Step(_ANY_BIT, bit, no=1), _refuse(), _Step(_RETURN, _ALLOW)]


def _no_bit_then_refuse(argument: int, bit: int) -> list[_Step]:
    load = _Step(_LOAD, _ARGUMENTS_AT + 8 * argument)
    return [load, _Step(_ANY_BIT, bit, yes=1), _refuse(), _Step(_RETURN, _ALLOW)]


def _refuse(error: int = errno.EPERM) -> _Step:
    return _Step(_RETURN, _ERROR | error)


def _assembled(program: Sequence[_Step]) -> bytes:
    return b"".join(_STEP.pack(step.code, step.yes, step.no, step.k) for step in program)


_TEMPLATE = _assembled(_program()) if kernel.SUPPORTED else b""
_Steps = ctypes.c_char * len(_TEMPLATE)
