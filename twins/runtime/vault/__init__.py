"""Vaults: where what opens a twin's directory is kept, one folder for each kind."""

from __future__ import annotations

from twins.runtime.vault.file import FileVault
from twins.runtime.vault.kind import Vault
from twins.runtime.vault.pkcs11 import Pkcs11Vault
from twins.runtime.vault.transit import TransitVault

KINDS: dict[str, type[Vault]] = {"file": FileVault, "pkcs11": Pkcs11Vault, "transit": TransitVault}
# Those that work in the sandbox of a twin's process. A token's library does not: it reads and runs what lies
# elsewhere, and it may not be loaded before, because the twin itself can write which library that is.
CONFINED = ("file", "transit")
