"""The Merkle tree and its proofs, against RFC 6962 as it is written."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.runtime.logs import SEED, TWIN, X
from twins.runtime.log.notes import (
    Checkpoint,
    NoteRefused,
    key_id,
    open_checkpoint,
    open_note,
    origin_of,
    sign,
)
from twins.runtime.log.offline import verify_text
from twins.runtime.log.proofs import (
    ProofRefused,
    RecordProof,
    consistency,
    inclusion,
    root_by_inclusion,
    roots_by_consistency,
)
from twins.runtime.log.tree import Tree, TreeUnreadable, leaf_hash, range_hash, stored_count, stored_index
from twins.runtime.tokens import encode_x

SIZES = 33
# The leaves and roots that Certificate Transparency's reference implementation is tested with.
LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def mth(leaves: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, word for word."""
    if not leaves:
        return sha(b"")
    if len(leaves) == 1:
        return sha(b"\0" + leaves[0])
    k = split(len(leaves))
    return sha(b"\1" + mth(leaves[:k]) + mth(leaves[k:]))


def split(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def path(m: int, leaves: list[bytes]) -> list[bytes]:
    """RFC 6962 section 2.1.1."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if m < k:
        return [*path(m, leaves[:k]), mth(leaves[k:])]
    return [*path(m - k, leaves[k:]), mth(leaves[:k])]


def subproof(m: int, leaves: list[bytes], whole: bool) -> list[bytes]:
    """RFC 6962 section 2.1.2."""
    if m == len(leaves):
        return [] if whole else [mth(leaves)]
    k = split(len(leaves))
    if m <= k:
        return [*subproof(m, leaves[:k], whole), mth(leaves[k:])]
    return [*subproof(m - k, leaves[k:], False), mth(leaves[:k])]


@pytest.fixture
def leaves() -> list[bytes]:
    return [sha(str(n).encode()) for n in range(SIZES)]


@pytest.fixture
def tree(tmp_path: Path, leaves: list[bytes]) -> Tree:
    """A tree over the leaves that grew in uneven steps."""
    made = Tree(tmp_path / "tree")
    made.start(0, [])
    for start, end in ((0, 1), (1, 1), (1, 6), (6, SIZES)):
        made.extend(leaves[start:end])
    return made


def test_the_roots_are_those_of_the_reference_implementation(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "tree")
    tree.start(0, [])
    assert tree.root()[1].hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    for leaf, root in zip(LEAVES, ROOTS, strict=True):
        tree.extend([bytes.fromhex(leaf)])
        assert tree.root()[1].hex() == root


def test_every_root_is_the_recursive_one(tree: Tree, leaves: list[bytes]) -> None:
    assert tree.root() == (SIZES, mth(leaves))
    for size in range(1, SIZES + 1):
        assert range_hash(tree.read, 0, size) == mth(leaves[:size])


def test_the_file_has_the_nodes_in_stored_order(tree: Tree, tmp_path: Path, leaves: list[bytes]) -> None:
    stored = (tmp_path / "tree").read_bytes()
    assert len(stored) == stored_count(SIZES) * 32
    assert [stored_index(0, n) for n in range(8)] == [0, 1, 3, 4, 7, 8, 10, 11]
    assert [stored_index(1, n) for n in range(4)] == [2, 5, 9, 12]
    assert (stored_index(2, 0), stored_index(2, 1), stored_index(3, 0)) == (6, 13, 14)
    assert stored[6 * 32 : 7 * 32] == mth(leaves[:4])


def test_every_record_has_the_recursive_path_and_no_other_proof_holds(
    tree: Tree, leaves: list[bytes]
) -> None:
    for size in range(1, SIZES + 1):
        root = mth(leaves[:size])
        for index in range(size):
            found = inclusion(tree.read, index, size)
            assert found == path(index, leaves[:size])
            assert root_by_inclusion(leaf_hash(leaves[index]), index, size, found) == root
            if size > 1:
                assert root_by_inclusion(leaf_hash(leaves[index - 1]), index, size, found) != root
                with pytest.raises(ProofRefused):
                    root_by_inclusion(leaf_hash(leaves[index]), index, size, found[:-1])
            with pytest.raises(ProofRefused):
                root_by_inclusion(leaf_hash(leaves[index]), index, size, [*found, root])


def test_every_smaller_tree_is_proven_to_be_the_beginning(tree: Tree, leaves: list[bytes]) -> None:
    for size in range(1, SIZES + 1):
        for old in range(1, size + 1):
            found = consistency(tree.read, old, size)
            assert found == subproof(old, leaves[:size], True)
            first, second = mth(leaves[:old]), mth(leaves[:size])
            assert roots_by_consistency(old, size, first, found) == (first, second)
            if old < size:
                forked = sha(b"forked")
                assert roots_by_consistency(old, size, forked, found) != (forked, second)
                with pytest.raises(ProofRefused):
                    roots_by_consistency(old, size, first, found[:-1])
            with pytest.raises(ProofRefused):
                roots_by_consistency(old, size, first, [*found, first])


def test_a_tree_goes_on_from_its_right_edge_and_can_be_made_again(
    tree: Tree, tmp_path: Path, leaves: list[bytes]
) -> None:
    whole = (tmp_path / "tree").read_bytes()
    again = Tree(tmp_path / "tree")
    again.start(21, again.edge_at(21))
    again.extend(leaves[21:])
    assert again.root() == tree.root()
    assert (tmp_path / "tree").read_bytes() == whole
    (tmp_path / "tree").write_bytes(bytes(len(whole)))
    again.rewrite(leaves)
    assert (tmp_path / "tree").read_bytes() == whole
    with pytest.raises(TreeUnreadable):
        again.rewrite([*leaves[:-1], leaves[0]])


def test_a_note_is_signed_as_gos_note_package_does_it() -> None:
    text = "If you think cryptography is the answer to your problem,\n"
    text += "then you don't know what your problem is.\n"
    signature = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
    note = f"{text}\n— PeterNeumann {signature}\n"
    x = "GlzZBxQ8OExB6DDFvOEqqIF-xWSaqr8sMTiLNbLXRNY"
    assert open_note(note, "PeterNeumann", [x]) == text
    for old, new in (("answer", "Answer"), ("ZIn", "ZIm"), ("— Peter", "— Pater"), ("\n\n", "\n")):
        with pytest.raises(NoteRefused):
            open_note(note.replace(old, new), "PeterNeumann", [x])


def test_a_checkpoint_is_believed_only_from_the_twins_own_key_and_log() -> None:
    made = Checkpoint(origin_of(TWIN), 7, bytes(32))
    note = sign(made.origin, SEED, made.text())
    assert note.startswith(f"mycelium/{TWIN}\n7\n" + "A" * 43 + "=\n\n— ")
    assert open_checkpoint(note, made.origin, [encode_x(bytes(32)), X]) == made
    for other, keys in (
        (origin_of(TWIN[:-1] + "1"), [X]),
        (made.origin, [encode_x(bytes(32))]),
        (made.origin, []),
    ):
        with pytest.raises(NoteRefused):
            open_checkpoint(note, other, keys)
    for text in (
        f"{made.origin}\n07\n{'A' * 43}=\n",
        f"{made.origin}\n-7\n{'A' * 43}=\n",
        f"{made.origin}\n7\nAA==\n",
    ):
        with pytest.raises(NoteRefused):
            open_checkpoint(sign(made.origin, SEED, text), made.origin, [X])
    assert len(key_id(made.origin, bytes(32))) == 4


def test_a_proof_in_a_file_is_checked_without_the_log(tree: Tree, leaves: list[bytes]) -> None:
    head = Checkpoint(origin_of(TWIN), *tree.root())
    note = sign(head.origin, SEED, head.text())
    text = RecordProof(9, leaves[8], inclusion(tree.read, 8, SIZES), note).text()
    assert text.startswith("c2sp.org/tlog-proof@v1\nextra ")
    assert verify_text(text, [X]) == f"mycelium/{TWIN} holds record 9 of 33, hash {leaves[8].hex()}"
    assert "had 33 records" in verify_text(note, [X])
    wrong = RecordProof(9, leaves[7], inclusion(tree.read, 8, SIZES), note).text()
    cut = text.replace("index 8\n", "index 8\nAAAA\n")
    for bad in (
        wrong,
        cut,
        text.replace("index 8", "index 7"),
        text.replace("index 8", "index x"),
        text[:60],
    ):
        with pytest.raises((ProofRefused, NoteRefused)):
            verify_text(bad, [X])
