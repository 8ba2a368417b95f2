"""What the deployment decides about a twin, kept beside the twin's own files in `placement.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from twins.runtime import files

PLACEMENT = "placement.json"


class Placement(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where and how a twin runs.

    `idle_seconds` is how long an unused process stays; `keep_awake` twins never go to sleep by themselves.
    `module` is the module that the runtime loads. `twin_id` is the ULID that the twin was created with; it
    is missing for a folder that was brought here by hand. `user` is the user of the twin's process; the host
    chooses it, where it is root's.
    """

    tier: Literal["shared", "dedicated", "self-hosted"] = "shared"
    region: str = "local"
    keep_awake: bool = False
    idle_seconds: Annotated[float, msgspec.Meta(ge=0.1, le=86_400)] = 120
    module: Annotated[str, msgspec.Meta(pattern=r"\A[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)*\Z")] = "twin"
    twin_id: str | None = None
    user: int | None = None

    @property
    def stays_awake(self) -> bool:
        """Does the twin sleep only when it is told to?"""
        return self.keep_awake or self.tier == "dedicated"


def read_placement(directory: Path) -> Placement:
    """A twin's placement, the default one when nothing was decided; ValueError names the file."""
    file = directory / PLACEMENT
    try:
        return msgspec.json.decode(file.read_bytes(), type=Placement)
    except FileNotFoundError:
        return Placement()
    except msgspec.DecodeError as error:
        raise ValueError(f"{file} is not a placement: {error}") from error


def write_placement(directory: Path, placement: Placement) -> None:
    """Write the placement so that it is on the disk when this returns."""
    data = msgspec.json.format(msgspec.json.encode(placement)) + b"\n"
    files.write_private(directory / PLACEMENT, data)
