"""Kind: what every kind of vault offers, and where its own secrets come from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

PURPOSE = b"mycelium/vault/1"
CREDENTIAL = "credential:"
_OTHERS = 0o077


class KeysUnusable(Exception):
    """A key is missing, is not what it should be, or its vault does not give it out."""


class Vault(Protocol):
    """Wraps the twin's secret and unwraps it.

    A kind is a `msgspec.Struct` of its settings and of `folder`, the twin's `keys`, where paths begin.
    """

    def wrap(self, secret: bytes) -> bytes:
        """The secret in a form that only this vault opens; raises KeysUnusable."""

    def unwrap(self, wrapped: bytes) -> bytes:
        """The secret; raises KeysUnusable."""

    def retire(self) -> None:
        """Remove what the vault kept for this twin alone: another one has taken over."""


def read_secret(folder: str, name: str) -> str:
    """A PIN or a token, from a file or, as `credential:<name>`, from systemd.

    The text never stands in an argument or in the environment; there systemd names only the directory
    (`CREDENTIALS_DIRECTORY`, see systemd.exec(5)).

    Raises:
        KeysUnusable: it is not there, is empty, or others may read it.
    """
    path = _credential(name) if name.startswith(CREDENTIAL) else Path(folder, name)
    try:
        if not name.startswith(CREDENTIAL) and path.stat().st_mode & _OTHERS:
            raise KeysUnusable(f"{path} may be read by others: chmod 600 {path}")
        secret = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise KeysUnusable(f"{path} cannot be read: {getattr(error, 'strerror', 'it is no text')}") from None
    if not secret:
        raise KeysUnusable(f"{path} is empty")
    return secret


def _credential(name: str) -> Path:
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if directory is None:
        raise KeysUnusable(f"{name} needs LoadCredential= of systemd: CREDENTIALS_DIRECTORY is not set")
    return Path(directory, name.removeprefix(CREDENTIAL))
