"""A message: a subject, a text, and what it answers to."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class Message(msgspec.Struct, forbid_unknown_fields=True):
    """Plain text, at most 4,000 characters; ``answers`` is the ULID of an earlier document."""

    subject: Annotated[str, Meta(min_length=1, max_length=120)]
    text: Annotated[str, Meta(min_length=1, max_length=4000)]
    answers: Annotated[str, Meta(max_length=26)] = ""
