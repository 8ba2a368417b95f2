from __future__ import annotations

import pytest
from django.test import Client

from tests.cast import Cast, PlantTwin
from tests.twins.test_lineage import branch
from twins.models import Twin


@pytest.fixture
def field(db: None) -> list[Twin]:
    twins = branch(["forus", "ioboxx", "fda"])
    for number, name in enumerate(["Eli Lilly and Company", "Novartis", "A-S Medication Solutions"]):
        twin = Twin(
            slug=f"m{number}", name=name, kind="manufacturer", parent=twins[2], state="virtual", place="Basel"
        )
        twin.path = f"{twins[2].path}{twin.pk.hex}/"
        twin.save()
    return twins


def test_a_search_finds_by_any_word_of_the_name(field: list[Twin]) -> None:
    page = Client().get("/", {"q": "lilly company"}).content.decode()
    assert "Eli Lilly" in page
    assert "Novartis" not in page


def test_a_facet_narrows_the_list_and_is_a_plain_link(field: list[Twin]) -> None:
    page = Client().get("/", {"kind": "manufacturer"})
    assert page.context["total"] == 3
    kinds = {value["value"]: value for value in page.context["facets"][0]["values"]}
    assert kinds["manufacturer"]["on"]
    assert "kind=manufacturer" not in kinds["manufacturer"]["url"]
    assert kinds["root" if "root" in kinds else "organisation"]["url"].startswith("/?")


def test_a_branch_shows_what_lies_below_it(field: list[Twin]) -> None:
    page = Client().get("/explore/fda/")
    assert page.context["total"] == 3
    assert [twin.slug for twin in page.context["crumbs"]] == ["forus", "ioboxx"]


@pytest.mark.parametrize(
    "query", [{"q": "%_\\"}, {"q": "\x00"}, {"kind": "' OR 1=1"}, {"page": "9999"}, {"page": "x"}]
)
def test_odd_input_is_a_page_and_no_error(field: list[Twin], query: dict[str, str]) -> None:
    assert Client().get("/", query).status_code == 200


def test_the_number_of_queries_does_not_grow_with_the_list(
    field: list[Twin], django_assert_max_num_queries: object
) -> None:
    with django_assert_max_num_queries(14):  # type: ignore[operator]
        Client().get("/")


def test_a_twins_page_says_what_is_true_of_its_instance(cast: Cast, plant_twin: PlantTwin) -> None:
    acme = plant_twin("acme")
    page = Client().get(f"/t/{acme.slug}/").content.decode()
    assert "own process, own directory" in page
    assert "lineage only" in page
    assert "Margins" not in page
