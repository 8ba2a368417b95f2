"""Lineage places a twin and gives nobody a right."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cast import Cast, PlantTwin, client_of
from twins import mesh, queries
from twins.models import Twin
from twins.runtime.client import TwinClient
from twins.services import directory


def branch(names: list[str]) -> list[Twin]:
    """A chain of directory entries, without instances behind them."""
    found: list[Twin] = []
    for name in names:
        twin = Twin(
            slug=name,
            name=name.upper(),
            kind="organisation",
            parent=found[-1] if found else None,
            state="virtual",
        )
        twin.path = directory.path_under(twin.parent, twin)
        twin.save()
        found.append(twin)
    return found


def test_breadcrumbs_lead_from_the_root_to_the_parent(db: None) -> None:
    root, middle, leaf = branch(["root", "middle", "leaf"])
    assert queries.crumbs(leaf) == [root, middle]


def test_a_moved_branch_takes_everything_below_it_along(db: None) -> None:
    root, left, leaf = branch(["root", "left", "leaf"])
    right = Twin(slug="right", name="RIGHT", kind="organisation", parent=root)
    right.path = directory.path_under(root, right)
    right.save()
    directory.move(left, right)
    leaf.refresh_from_db()
    assert queries.crumbs(leaf) == [root, right, left]


def test_a_branch_cannot_be_put_under_itself(db: None) -> None:
    _, middle, leaf = branch(["root", "middle", "leaf"])
    with pytest.raises(ValueError, match="under itself"):
        directory.move(middle, leaf)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=12))
def test_after_any_moves_every_path_is_the_chain_of_its_parents(
    db: None, moves: list[tuple[int, int]]
) -> None:
    for twin in Twin.objects.order_by("-path"):
        twin.delete()
    twins = branch([f"t{number}" for number in range(8)])
    for what, where in moves:
        pair = Twin.objects.get(slug=f"t{what}"), Twin.objects.get(slug=f"t{where}")
        try:
            directory.move(*pair)
        except ValueError:
            assert pair[1].path.startswith(pair[0].path)
    for twin in Twin.objects.all():
        above: list[Twin] = []
        parent = twin.parent
        while parent:
            above.insert(0, parent)
            parent = parent.parent
        assert queries.crumbs(twin) == above
    assert Twin.objects.count() == len(twins)


def test_shuffling_the_lineage_changes_no_answer_of_any_twin(cast: Cast, plant_twin: PlantTwin) -> None:
    root = plant_twin("root", owner=cast.ben)
    twins = [plant_twin(f"leaf{number}", owner=cast.ana, parent=root) for number in range(3)]
    reader = plant_twin("reader", owner=cast.dan, parent=twins[0])
    _grant(twins[1], reader, client_of(twins[1], cast.ana))
    everyone = [root, *twins, reader]
    before = _answers(everyone, cast)
    assert any(answer for answer in before.values())
    assert not all(answer for answer in before.values())
    shuffle = random.Random(7)
    for _ in range(6):
        what, where = shuffle.sample(everyone, 2)
        try:
            directory.move(Twin.objects.get(pk=what.pk), Twin.objects.get(pk=where.pk))
        except ValueError:
            continue
    assert _answers(everyone, cast) == before


def _grant(target: Twin, reader: Twin, owner: TwinClient) -> None:
    now = timezone.now()
    owner.call(
        "grant",
        {
            "grant_id": "g1",
            "reader": reader.subject,
            "reader_name": reader.name,
            "reader_key": mesh.client(reader).about()["key"]["x"],
            "slice": "catalogue",
            "purpose": "test",
            "not_before": f"{now:%Y-%m-%dT%H:%M:%SZ}",
            "expires_at": f"{now + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}",
        },
    )


def _answers(twins: list[Twin], cast: Cast) -> dict[tuple[str, str, str], bool]:
    """What each person gets from each twin: the audit, each slice, and the reader's own reading."""
    found = {}
    for twin in twins:
        for name in ("ana", "ben", "cora", "dan", "eve"):
            client = client_of(twin, getattr(cast, name))
            for place in (
                "/v1/log",
                "/v1/slices/catalogue/objects",
                "/v1/slices/margins/objects",
                "/v1/people",
            ):
                found[twin.slug, name, place] = _is_given(client, place)
    return found


def _is_given(client: TwinClient, place: str) -> bool:
    try:
        client.get(place)
    except mesh.TwinError as refusal:
        if refusal.status not in (401, 403):
            raise
        return False
    return True


def test_facets_count_what_their_link_shows(cast: Cast) -> None:
    twins: list[Any] = branch(["one", "two", "three"])
    Twin.objects.filter(slug="two").update(kind="registry", place="Basel")
    found = queries.facets(None, "", {}, "/")
    kinds = {value["value"]: value for value in found[0]["values"]}
    assert kinds["organisation"]["count"] == len(twins) - 1
    assert queries.search(None, "", {"kind": "registry"}).count() == kinds["registry"]["count"] == 1
