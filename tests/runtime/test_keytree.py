"""The key tree: every part has its key, and a key that was destroyed is gone while all others stay."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twins.runtime.keytree import MOST_PART, MOST_SEQ, KeyTree, Shredded

ROOT = bytes(range(32))
# Few enough that punctures meet, and some at the far ends.
SEQS = st.one_of(st.integers(0, 12), st.integers(MOST_SEQ - 3, MOST_SEQ))
PARTS = st.one_of(st.integers(0, 3), st.just(MOST_PART))
POINTS = st.tuples(SEQS, PARTS)


def plainly(seq: int, n: int) -> bytes:
    """The key by its definition: walk the whole path from the root."""
    path = f"{seq:041b}" + ("0" if n == 0 else f"1{n:020b}")
    node = ROOT
    for step in path:
        node = hashlib.sha256(bytes([int(step)]) + node).digest()
    return node


def held(tree: KeyTree, point: tuple[int, int]) -> bytes | None:
    try:
        return tree.part_key(*point)
    except Shredded:
        return None


@given(st.lists(st.one_of(POINTS, st.lists(POINTS, max_size=4)), max_size=25), st.booleans())
@settings(max_examples=150, deadline=None)
def test_a_destroyed_key_is_gone_for_ever_and_every_other_key_is_what_it_was(
    steps: list[tuple[int, int] | list[tuple[int, int]]], reread: bool
) -> None:
    tree = KeyTree.new(ROOT)
    gone: set[tuple[int, int]] = set()
    for step in steps:
        if isinstance(step, tuple):
            assert held(tree, step) == (None if step in gone else plainly(*step))
            continue
        gone.update(step)
        tree.become(tree.punctured(step))
        tree = KeyTree.decode(tree.encode()) if reread else tree
    everything = [(seq, n) for seq in (*range(13), MOST_SEQ) for n in (0, 1, 2, 3, MOST_PART)]
    assert {point for point in everything if held(tree, point) is None} == gone & set(everything)
    assert all(held(tree, point) in (None, plainly(*point)) for point in everything)


def test_nothing_that_is_stored_after_a_puncture_leads_to_the_key() -> None:
    tree = KeyTree.new(ROOT).punctured([(5, 0)])
    path = f"{5:041b}0"
    node, on_the_way = ROOT, [ROOT]
    for step in path:
        node = hashlib.sha256(bytes([int(step)]) + node).digest()
        on_the_way.append(node)
    assert not [secret for secret in on_the_way if secret in tree.encode()]
    assert tree.nodes == len(path)


def test_a_thousand_neighbours_that_go_together_cost_few_nodes() -> None:
    tree = KeyTree.new(ROOT).punctured((seq, 0) for seq in range(1024, 2048))
    assert tree.nodes < 1024 + 41


@pytest.mark.parametrize(("seq", "n"), [(-1, 0), (MOST_SEQ + 1, 0), (1, -1), (1, MOST_PART + 1)])
def test_a_part_that_cannot_be_has_no_key(seq: int, n: int) -> None:
    with pytest.raises(ValueError, match="no part"):
        KeyTree.new(ROOT).part_key(seq, n)


@pytest.mark.parametrize("data", [b"", b"MYCTREE1short", b"other" + bytes(44)])
def test_what_is_no_tree_is_not_read_as_one(data: bytes) -> None:
    with pytest.raises(ValueError, match="no key tree"):
        KeyTree.decode(data)
