"""Sealing: the keys that a twin's log is sealed with."""

from __future__ import annotations

import hmac

from twins.runtime.keys import KeyStore
from twins.runtime.log.seal import Seal


class DerivedKeys:
    """Keys of parts that are all derived from one, so that none can be destroyed alone."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def part_key(self, seq: int, n: int) -> bytes:
        """HMAC-SHA-256 over the part's place."""
        return hmac.digest(self._key, (seq << 20 | n).to_bytes(8, "big"), "sha256")


def seal_of(keys: KeyStore) -> Seal:
    """What seals and opens the log of the twin that has these keys.

    Raises:
        KeysUnusable: the data key cannot be had.
    """
    key = keys.data_key()
    return Seal(key, DerivedKeys(key))
