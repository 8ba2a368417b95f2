"""What the deployment decides about a twin, kept beside the twin's own files in `placement.json`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import msgspec

_FILE = "placement.json"


class Placement(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where and how a twin runs.

    `idle_seconds` is how long an unused process stays; `keep_awake` twins never go to sleep by themselves.
    `module` is the module that the runtime loads. `twin_id` is the ULID that the twin was created with; it
    is missing for a folder that was brought here by hand.
    """

    tier: Literal["shared", "dedicated", "self-hosted"] = "shared"
    region: str = "local"
    keep_awake: bool = False
    idle_seconds: Annotated[float, msgspec.Meta(ge=0.1, le=86_400)] = 120
    module: Annotated[str, msgspec.Meta(pattern=r"\A[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)*\Z")] = "twin"
    twin_id: str | None = None


def read_placement(directory: Path) -> Placement:
    """A twin's placement, the default one when nothing was decided; ValueError names the file."""
    file = directory / _FILE
    try:
        return msgspec.json.decode(file.read_bytes(), type=Placement)
    except FileNotFoundError:
        return Placement()
    except msgspec.DecodeError as error:
        raise ValueError(f"{file} is not a placement: {error}") from error


def write_placement(directory: Path, placement: Placement) -> None:
    """Write the placement so that it is on the disk when this returns."""
    descriptor = os.open(directory / _FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(placement)) + b"\n")
        file.flush()
        os.fsync(file.fileno())
