"""Offline: proofs from a log that nobody serves, and checks of what a log's keeper handed out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from twins.runtime.log import proofs
from twins.runtime.log.checkpoints import kept
from twins.runtime.log.notes import NoteRefused, open_checkpoint, signed_text
from twins.runtime.log.proofs import FIRST_LINE, ProofRefused, RecordProof, read_proof
from twins.runtime.log.scan import Scan
from twins.runtime.log.segments import folder_of
from twins.runtime.log.tree import Tree, TreeUnreadable


def prove(directory: Path, seq: int) -> RecordProof:
    """That the last checkpoint that was kept covers record `seq`.

    Raises:
        LogMissing, LogDamaged: as the names say.
        ProofRefused: there is no checkpoint over this record, or the tree's file does not give its root.
    """
    note = kept(directory)
    try:
        found = signed_text(note)
    except NoteRefused:
        raise ProofRefused(f"{directory} has no checkpoint yet") from None
    if not 1 <= seq <= found.size:
        raise ProofRefused(f"record {seq} is not among the {found.size} that the last checkpoint covers")
    digest = next(frame.hash for frame, _ in Scan(directory) if frame.seq == seq)
    tree = Tree(folder_of(directory) / "tree")
    try:
        proof = RecordProof(seq, digest, proofs.inclusion(tree.read, seq - 1, found.size), note)
    except TreeUnreadable as error:
        raise ProofRefused(str(error)) from None
    finally:
        tree.close()
    if proof.root(found.size) != found.root:
        raise ProofRefused(
            "the tree's file does not give the root of the last checkpoint; start the twin once"
        )
    return proof


def verify_text(text: str, keys: Sequence[str]) -> str:
    """What a proof or a checkpoint proves, in words, if one of the keys (the `x` of a JWK) signed it.

    Raises:
        NoteRefused, ProofRefused: it proves nothing.
        ValueError: a key is no key.
    """
    proof = read_proof(text) if text.startswith(FIRST_LINE) else None
    note = proof.checkpoint if proof else text
    found = open_checkpoint(note, note.partition("\n")[0], keys)
    if proof is None:
        return f"{found.origin} had {found.size} records, root {found.root.hex()}"
    if proof.root(found.size) != found.root:
        raise ProofRefused("the proof does not lead to the root of its checkpoint")
    return f"{found.origin} holds record {proof.seq} of {found.size}, hash {proof.hash.hex()}"
