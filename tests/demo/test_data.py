"""The extract is real, complete and can be made again."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from twins.demo import extract
from twins.demo.labelers import DATA, labelers
from twins.demo.organisations import organisations

SOURCE = Path(__file__).parents[3] / "shared" / "data" / "fda"
PROVENANCE = DATA.with_name("PROVENANCE.md").read_text()


def test_there_are_enough_real_labelers_with_products_and_recalls() -> None:
    assert len(labelers()) >= 220
    assert all(1 <= len(labeler.products) <= 40 for labeler in labelers())
    assert all(len(labeler.recalls) <= 20 for labeler in labelers())
    assert sum(bool(labeler.recalls) for labeler in labelers()) >= 100
    assert {"eli-lilly", "novartis-pharmaceuticals", "sandoz"} <= {labeler.slug for labeler in labelers()}


def test_the_data_is_small_enough_to_live_in_the_repository() -> None:
    assert sum(file.stat().st_size for file in DATA.parent.iterdir()) < 1_000_000


def test_products_and_recalls_are_named_once_within_a_labeler() -> None:
    for labeler in labelers():
        for ids in ([one.ndc for one in labeler.products], [one.id for one in labeler.recalls]):
            assert len(ids) == len(set(ids)), labeler.slug


def test_every_product_carries_one_of_its_labelers_codes() -> None:
    for labeler in labelers():
        assert {product.ndc.split("-")[0] for product in labeler.products} <= set(labeler.labeler_codes)


def test_the_provenance_states_what_the_files_hold() -> None:
    products = sum(len(labeler.products) for labeler in labelers())
    recalls = sum(len(labeler.recalls) for labeler in labelers())
    assert f"{len(labelers())} labelers with {products:,} products and {recalls} drug recalls" in PROVENANCE
    assert f"{len(organisations())} legal entities" in PROVENANCE
    stated = set(re.findall("[0-9a-f]{64}", PROVENANCE))
    made = (extract.lines(labelers()), extract.lines(organisations()))
    assert stated == {hashlib.sha256(data).hexdigest() for data in made}


@pytest.mark.skipif(not SOURCE.is_dir(), reason="the source data is not on this machine")
def test_the_same_source_gives_the_same_data() -> None:
    assert extract.labelers(SOURCE) == list(labelers())
    assert extract.organisations(SOURCE) == list(organisations())


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Eli Lilly and Company", "eli-lilly"),
        ("G&W Laboratories, Inc.", "g-and-w-laboratories"),
        ("B. Braun Médical Inc.", "b-braun-medical"),
        ("Rhodes Pharmaceuticals L. P.", "rhodes-pharmaceuticals"),
        ("McKesson Packaging Services a business unit", "mckesson-packaging-services-a-business"),
    ],
)
def test_a_firm_gets_a_short_slug_without_its_legal_form(name: str, slug: str) -> None:
    assert extract.slug_of(name) == slug


def test_a_missing_source_is_named_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["extract", str(tmp_path / "nothing")])
    assert extract.main() == 1
    assert str(tmp_path / "nothing") in capsys.readouterr().err
