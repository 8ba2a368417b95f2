"""Sealing: the keys that a twin's log is sealed with."""

from __future__ import annotations

from twins.runtime.keys import KeyStore
from twins.runtime.log.seal import Seal


def seal_of(keys: KeyStore) -> Seal:
    """What seals and opens the log of the twin that has these keys.

    Raises:
        KeysUnusable: the keys cannot be had.
    """
    return Seal(keys.data_key(), keys)
