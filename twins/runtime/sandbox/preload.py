# ruff: noqa: F401
"""What others import late: a twin in its sandbox cannot read code any more, so it is loaded before."""

from __future__ import annotations

import concurrent.futures.thread
import encodings.ascii
import encodings.idna
import encodings.latin_1
import encodings.utf_8_sig
