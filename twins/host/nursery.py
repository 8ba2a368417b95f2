"""Making a twin's folder, in a process of its own so that the host never holds a twin's keys."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import msgspec

from twins.host.placement import write_placement
from twins.host.requests import Create
from twins.runtime import init

_HALF_MADE = ".new-"


def sweep(twins: Path) -> None:
    """Remove what a host that was killed in the middle of a creation left behind."""
    for leftover in twins.glob(f"{_HALF_MADE}*"):
        shutil.rmtree(leftover)


def make(twins: Path, request: Create) -> None:
    """Make the twin aside and move it into place, so that a folder `<twins>/<slug>` is always complete."""
    aside = twins / f"{_HALF_MADE}{request.slug}"
    if aside.exists():
        shutil.rmtree(aside)
    placement = msgspec.structs.replace(request.placement, twin_id=request.twin_id, user=None)
    init.create(
        aside,
        slug=request.slug,
        name=request.name,
        module=placement.module,
        twin_id=request.twin_id,
        genesis=request.genesis,
    )
    write_placement(aside, placement)
    _sync(aside)
    aside.rename(twins / request.slug)
    _sync(twins)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def work(twins: Path, request: Create, into: int) -> int:
    """What the forked process does: make the twin, or write one sentence about the failure and return 1."""
    try:
        make(twins, request)
    except Exception as error:  # noqa: BLE001 - every failure is told to whoever asked for the twin
        os.write(into, f"twin {request.slug!r} cannot be made: {error}".encode()[:4000])
        return 1
    return 0
