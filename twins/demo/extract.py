"""Makes the demonstration's data: `python -m twins.demo.extract SOURCE_DIR`.

SOURCE_DIR holds `fda_labelers.csv`, `fda_ndc_products.csv.gz` and `fda_enforcement_full.json.gz`; beside it
lies `organisations/lei_records.csv`. The same source gives the same data.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import json
import re
import sys
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from itertools import zip_longest
from operator import itemgetter
from pathlib import Path

import msgspec

from twins.demo.labelers import DATA as LABELERS
from twins.demo.labelers import Labeler, Product, Recall
from twins.demo.organisations import DATA as ORGANISATIONS
from twins.demo.organisations import Organisation

GROUPS = ("commerz", "microsoft", "puma", "shell")
SPREAD = 60
MOST_PRODUCTS = 40
MOST_RECALLS = 20
LONGEST_TEXT = 400
LONGEST_SLUG = 40
_LEGAL_FORM = re.compile(
    r"( (and co|and company|inc|incorporated|corp|corporation|co|company|llc|ltd|limited|lp|l p|plc|gmbh|ag"
    r"|sa|pvt|private))+$"
)

Row = dict[str, str]


def main() -> int:
    """Write the extract; 1 and one sentence when the source cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m twins.demo.extract", description=__doc__)
    parser.add_argument("source", type=Path, metavar="SOURCE_DIR")
    source: Path = parser.parse_args().source
    try:
        firms, groups = labelers(source), organisations(source)
    except (OSError, ValueError) as error:
        print(f"extract: {error}", file=sys.stderr)
        return 1
    # No time stamp in the archive: the same data, the same bytes.
    LABELERS.write_bytes(gzip.compress(lines(firms), compresslevel=9, mtime=0))
    ORGANISATIONS.write_bytes(lines(groups))
    return 0


def labelers(source: Path) -> list[Labeler]:
    """Every labeler with recalls, every one whose place is known, and SPREAD others, mostly large ones."""
    products = _products(source)
    recalls = _recalls(source)
    rows = [row for row in _rows(source / "fda_labelers.csv") if row["rx_products"] != "0"]
    placed = [row for row in rows if _firm(row["labeler_name"]) in recalls or row["recall_match_city"]]
    others = [row for row in rows if row not in placed]
    others.sort(key=lambda row: (-int(row["rx_products"]), row["labeler_key"]))
    step = (len(others) - SPREAD) / SPREAD**2
    chosen = placed + [others[n + int(n * n * step)] for n in range(SPREAD)]
    made: dict[str, Labeler] = {}
    for row in sorted(chosen, key=lambda row: (-int(row["rx_products"]), row["labeler_key"])):
        slug = slug_of(row["labeler_name"])
        made.setdefault(slug, _labeler(slug, row, products, recalls))
    return [made[slug] for slug in sorted(made)]


def organisations(source: Path) -> list[Organisation]:
    """The LEI records whose legal name holds the name of one of the GROUPS."""
    rows = sorted(_rows(source.parent / "organisations" / "lei_records.csv"), key=itemgetter("lei"))
    found = ((group, row) for group in GROUPS for row in rows if group in row["legal_name"].lower())
    return [
        Organisation(
            group=group,
            lei=row["lei"],
            name=row["legal_name"],
            city=row["legal_city"],
            country=row["legal_country"],
            registered_as=row["registered_as"],
            status=row["entity_status"],
        )
        for group, row in found
    ]


def lines(records: Iterable[msgspec.Struct]) -> bytes:
    """One JSON object per line."""
    return b"".join(msgspec.json.encode(record) + b"\n" for record in records)


def slug_of(name: str) -> str:
    """A slug of at most 40 characters from a firm's name, without its legal form."""
    words = _firm(name).replace(" ", "-")
    return words if len(words) <= LONGEST_SLUG else words[: LONGEST_SLUG + 1].rpartition("-")[0]


def _labeler(slug: str, row: Row, products: dict[str, list[Row]], recalls: dict[str, list[Row]]) -> Labeler:
    matched = recalls.get(_firm(row["labeler_name"]), [])
    names = [row["labeler_name"], *row["name_variants"].split("|")]
    own = sorted((product for name in names for product in products[name]), key=itemgetter("product_ndc"))
    return Labeler(
        slug=slug,
        name=" ".join(row["labeler_name"].split()),
        labeler_codes=row["labeler_codes"].split("|"),
        city=row["recall_match_city"],
        state=row["recall_match_state"],
        country=row["recall_match_country"],
        products=[_product(product) for product in own[:MOST_PRODUCTS]],
        recalls=[_recall(recall) for recall in matched[:MOST_RECALLS]],
    )


def _product(row: Row) -> Product:
    amounts = zip_longest(row["strength"].split("; "), row["unit"].split("; "), fillvalue="")
    return Product(
        ndc=row["product_ndc"],
        name=_short(row["proprietary_name"]),
        generic=_short(row["nonproprietary_name"]),
        form=row["dosage_form"],
        route=row["route"],
        strength=_short("; ".join(f"{amount} {unit}".strip() for amount, unit in amounts)),
        application=row["application_number"],
        sponsor=row["drugsatfda_sponsor"],
    )


def _recall(row: Row) -> Recall:
    return Recall(
        id=row["product_id"],
        date=row["center_classification_date"],
        classification=row["product_classification"],
        product=_short(row["product_description"]),
        reason=_short(row["reason_for_recall"]),
        status=row["status"],
        event=row["event_id"],
    )


def _products(source: Path) -> dict[str, list[Row]]:
    products: dict[str, list[Row]] = defaultdict(list)
    for row in _rows(source / "fda_ndc_products.csv.gz"):
        products[row["labeler_name"]].append(row)
    return products


def _recalls(source: Path) -> dict[str, list[Row]]:
    """The drug recalls of each firm by its normalised name, newest first."""
    rows: list[Row] = json.loads(gzip.decompress((source / "fda_enforcement_full.json.gz").read_bytes()))
    recalls: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=itemgetter("center_classification_date", "product_id"), reverse=True):
        if row["product_type"] == "Drugs":
            recalls[_firm(row["recalling_firm_name"])].append(row)
    return recalls


def _rows(file: Path) -> list[Row]:
    data = file.read_bytes()
    text = (gzip.decompress(data) if file.suffix == ".gz" else data).decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


def _firm(name: str) -> str:
    spelled = re.sub("['.]", "", name.replace("&", " and "))
    plain = unicodedata.normalize("NFKD", spelled).encode("ascii", "ignore").decode().lower()
    return _LEGAL_FORM.sub("", " ".join(re.findall("[a-z0-9]+", plain)))


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_TEXT else f"{line[: LONGEST_TEXT - 1].rstrip()}…"


if __name__ == "__main__":
    sys.exit(main())
