"""Box: `keys/vault.json`, which names the twin's vault and holds the twin's secret as that vault wrapped it.

One file, so that a change of the vault, or of the secret, is one atomic replacement.
"""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path
from typing import Any

import msgspec

from twins.runtime import files
from twins.runtime.vault import CONFINED, KINDS
from twins.runtime.vault.kind import KeysUnusable, Vault

DEFAULT = "file"


class _Stored(msgspec.Struct, forbid_unknown_fields=True):
    """`check` tells a wrong secret from the right one, and nothing else about it."""

    kind: str
    settings: dict[str, Any] = {}
    wrapped: bytes = b""
    check: str = ""


class Box:
    """The file in the folder `keys`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.path = folder / "vault.json"

    @property
    def kind(self) -> str:
        """The name of the vault's kind; raises KeysUnusable."""
        return self._read().kind

    def check_confined(self) -> None:
        """Return when the vault can be reached from the sandbox of a twin's process.

        Raises:
            KeysUnusable: it cannot; or as `open`.
        """
        stored = self._read()
        self._vault(stored.kind, stored.settings)
        if stored.kind not in CONFINED:
            raise KeysUnusable(
                f"the vault {stored.kind} needs a library and files that the sandbox keeps from a twin: "
                f"serve it without a sandbox, or move its secret to {' or '.join(CONFINED)} by `vault rewrap`"
            )

    def open(self) -> bytes:
        """The twin's secret.

        Raises:
            KeysUnusable: the file is missing or damaged, or the vault does not give the secret out.
        """
        stored = self._read()
        secret = self._vault(stored.kind, stored.settings).unwrap(stored.wrapped)
        if not hmac.compare_digest(_check(secret), stored.check):
            raise KeysUnusable(f"the vault ({stored.kind}) gave out what is not this twin's secret")
        return secret

    def close(self, secret: bytes) -> None:
        """Wrap another secret for the vault that the file names, or for the default where there is no file.

        Raises:
            KeysUnusable: as `open`; nothing was changed then.
        """
        stored = self._read() if self.path.exists() else _Stored(DEFAULT)
        self._write(stored.kind, stored.settings, secret)

    def rewrap(self, kind: str, settings: dict[str, Any]) -> None:
        """Give the secret to another vault, and take it from the present one.

        Raises:
            KeysUnusable: as `open`; the present vault stays in charge then.
        """
        secret, old, new = self.open(), self._read(), self._vault(kind, settings)
        present = self._vault(old.kind, old.settings)
        if new == present:
            raise KeysUnusable(f"the secret is in this vault ({kind}) already")
        self._write(kind, settings, secret)
        present.retire()

    def _write(self, kind: str, settings: dict[str, Any], secret: bytes) -> None:
        vault = self._vault(kind, settings)
        wrapped = vault.wrap(secret)
        if vault.unwrap(wrapped) != secret:
            raise KeysUnusable(f"the vault ({kind}) does not give back what it took")
        stored = _Stored(kind, settings, wrapped, _check(secret))
        files.write_private(self.path, msgspec.json.format(msgspec.json.encode(stored)) + b"\n")

    def _read(self) -> _Stored:
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=_Stored)
        except OSError as error:
            raise KeysUnusable(f"{self.path} cannot be read: {error.strerror}") from None
        except msgspec.DecodeError as error:
            raise KeysUnusable(f"{self.path} cannot be used: {error}") from None

    def _vault(self, kind: str, settings: dict[str, Any]) -> Vault:
        if kind not in KINDS:
            raise KeysUnusable(f"there is no vault {kind[:40]!r}; known are {', '.join(KINDS)}")
        try:
            return msgspec.convert({**settings, "folder": str(self._folder)}, KINDS[kind])
        except msgspec.ValidationError as error:
            raise KeysUnusable(f"the settings of the vault {kind}: {error}") from None


def _check(secret: bytes) -> str:
    return hashlib.sha256(b"mycelium/check/1" + secret).hexdigest()[:16]
