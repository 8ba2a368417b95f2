"""Password hashes as costly as the seal of the key that the same password opens."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.hashers import ScryptPasswordHasher


class Scrypt(ScryptPasswordHasher):
    """scrypt (RFC 7914) with the keyring's cost: 64 MiB for each guess."""

    work_factor = settings.KEYRING_SCRYPT_N
    maxmem = 2**27
