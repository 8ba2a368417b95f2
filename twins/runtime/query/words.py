"""Words: how text is cut up for full-text search."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

_word = re.compile(r"\w+")


def words(value: Any) -> set[str]:
    """The words of a text without regard to case and compatibility forms; none of anything else."""
    if type(value) is not str:
        return set()
    folded = value.lower() if value.isascii() else unicodedata.normalize("NFKC", value).casefold()
    return set(_word.findall(folded))
