"""PKCS #11: an AES key that never leaves a token (a hardware security module, a smart card, SoftHSM)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from twins.runtime.vault.kind import PURPOSE, KeysUnusable, read_secret

if TYPE_CHECKING:
    import pkcs11

KEY_BITS = 256
NONCE_BYTES = 12


class Pkcs11Vault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Wraps with AES-GCM inside the token (CKM_AES_GCM, PKCS #11 v3.0).

    Attributes:
        module: the token's library, such as `/usr/lib/softhsm/libsofthsm2.so`.
        token: the token's label.
        key: the label of the AES key; made in the token, not extractable, by the first `wrap`.
        pin: a file with the PIN, or `credential:<name>`.
    """

    folder: str
    module: str
    token: str
    key: str
    pin: str

    def wrap(self, secret: bytes) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        with self._session() as session:
            key = self._find(session) or self._make(session)
            sealed: bytes = key.encrypt(secret, mechanism=_gcm(), mechanism_param=_params(nonce))
            return nonce + sealed

    def unwrap(self, wrapped: bytes) -> bytes:
        with self._session() as session:
            key = self._find(session)
            if key is None:
                raise KeysUnusable(f"the token {self.token} has no AES key {self.key}")
            nonce, sealed = wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:]
            secret: bytes = key.decrypt(sealed, mechanism=_gcm(), mechanism_param=_params(nonce))
            return secret

    def retire(self) -> None:
        """The token's key stays: it may serve other twins."""

    def _find(self, session: pkcs11.Session) -> Any:
        import pkcs11

        try:
            return session.get_key(pkcs11.ObjectClass.SECRET_KEY, pkcs11.KeyType.AES, label=self.key)
        except pkcs11.NoSuchKey:
            return None

    def _make(self, session: pkcs11.Session) -> Any:
        import pkcs11

        fixed = {pkcs11.Attribute.SENSITIVE: True, pkcs11.Attribute.EXTRACTABLE: False}
        return session.generate_key(pkcs11.KeyType.AES, KEY_BITS, label=self.key, store=True, template=fixed)

    @contextmanager
    def _session(self) -> Iterator[pkcs11.Session]:
        """A session of the token's user; whatever the token says against it raises KeysUnusable."""
        # Five MiB that only twins with such a vault should pay for.
        import pkcs11

        if not Path(self.module).is_file():
            raise KeysUnusable(f"the token's library {self.module} is not there")
        pin = read_secret(self.folder, self.pin)
        try:
            token = pkcs11.lib(self.module).get_token(token_label=self.token)
            with token.open(rw=True, user_pin=pin) as session:
                yield session
        except (pkcs11.PKCS11Error, RuntimeError) as error:
            reason = f"{type(error).__name__} {error}".strip()
            raise KeysUnusable(f"the token {self.token} does not do this: {reason}") from None


def _gcm() -> pkcs11.Mechanism:
    import pkcs11

    return pkcs11.Mechanism.AES_GCM


def _params(nonce: bytes) -> pkcs11.GCMParams:
    import pkcs11

    return pkcs11.GCMParams(nonce, PURPOSE)
