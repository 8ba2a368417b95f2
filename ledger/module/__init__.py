"""What a runtime loads to be a ledger: a neutral twin that holds documents between two others.

A document is read by its sender and its recipient, and by nobody else: not by the ledger's own keepers.
"""

from __future__ import annotations

import json
from pathlib import Path

from ledger.module import documents, participants
from twins.runtime.module import Module

REDUCERS = (participants.register, documents.submit_document)
MODEL = json.loads(Path(__file__).with_name("model.json").read_bytes())

module = Module(
    "ledger.module",
    {one.name: one for one in REDUCERS},
    MODEL,
    participants.genesis,
    documents.visible,
)
