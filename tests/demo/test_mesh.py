"""The mesh fits together and fits the directory's rules."""

from __future__ import annotations

from twins.demo.feed import path_of
from twins.demo.labelers import labelers
from twins.demo.mesh import mesh
from twins.host.paths import check_slug


def test_every_twin_stands_after_its_parent_and_has_a_slug_of_its_own() -> None:
    seen: set[str] = set()
    for twin in mesh():
        assert check_slug(twin.slug) not in seen
        assert twin.parent in seen or (twin.parent is None and not seen)
        seen.add(twin.slug)


def test_the_platform_and_its_partners_are_claimed_and_all_others_are_virtual() -> None:
    partners = {"eca", "csp", "goodforus", "sti"}
    assert {twin.slug for twin in mesh() if twin.claimed} == partners | {"forus", "ioboxx"}
    assert {twin.slug for twin in mesh() if twin.keep_awake} == partners
    assert {twin.parent for twin in mesh() if twin.slug in partners} == {"ioboxx"}


def test_every_labeler_below_the_fda_has_listed_data_and_unlisted_margins() -> None:
    twins = [twin for twin in mesh() if twin.parent == "fda"]
    assert len(twins) == len(labelers())
    for twin in twins:
        assert twin.feed == path_of(twin.slug)
        assert {piece.name: piece.listed for piece in twin.slices} == {
            "catalogue": True,
            "recalls": True,
            "margins": False,
        }
        assert not any(piece.objects for piece in twin.slices)


def test_partners_show_real_organisations_only() -> None:
    for twin in mesh():
        for piece in twin.slices:
            assert not piece.objects or piece.name == "registry"
            assert all(len(one["id"]) == 20 for one in piece.objects)
    assert all(any(piece.objects for piece in twin.slices) for twin in mesh() if twin.keep_awake)


def test_names_and_summaries_fit_the_directory() -> None:
    for twin in mesh():
        assert len(twin.name) <= 120
        assert len(twin.summary) <= 300
        assert len(twin.place) <= 80
