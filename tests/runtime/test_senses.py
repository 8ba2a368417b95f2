"""Senses: what a feed brings, replaces and cannot break."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.conftest import Make
from tests.runtime.machine import Machine
from twins.runtime.client import TwinError
from twins.runtime.init import create
from twins.runtime.module import load
from twins.runtime.senses import KINDS
from twins.runtime.senses.kind import SenseFailed, Supplied
from twins.runtime.senses.runner import Runner
from twins.runtime.twin import Twin

ALLOW = ("--allow", "127.0.0.0/8")


@dataclass
class Feed:
    """Documents that a test changes while the twin looks."""

    port: int
    documents: dict[str, Any] = field(default_factory=dict)

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port}/{name}"


@pytest.fixture
def feed() -> Iterator[Feed]:
    class Documents(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            document = served.documents.get(self.path[1:])
            body = document if isinstance(document, bytes) else json.dumps(document).encode()
            self.send_response(404 if document is None else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Documents) as server:
        served = Feed(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield served
        server.shutdown()
        thread.join()


def sense(feed: Feed, name: str = "fda", document: str = "a", **changes: Any) -> dict[str, Any]:
    target = {"catalogue": "products"}
    whole = {"name": name, "kind": "feed", "title": "FDA", "url": feed.url(document), "target": target}
    return {**whole, "every": 0, **changes}


def looked(machine: Machine, name: str = "fda", before: str | None = None) -> dict[str, Any]:
    """The sense's row after a run later than `before`."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for row in machine.mine.get("/v1/senses")["senses"]:
            if row["name"] == name and row["last_run"] not in (None, before) and not row["requested"]:
                found: dict[str, Any] = row
                return found
        time.sleep(0.02)
    raise AssertionError("the sense did not run")


def objects(machine: Machine) -> dict[str, Any]:
    return {row["id"]: row["body"] for row in machine.mine.objects("catalogue")["objects"]}


@pytest.fixture
def fed(make: Make, feed: Feed) -> Machine:
    """A twin whose sense has brought two objects."""
    feed.documents["a"] = {"products": [{"id": "p1", "n": 1}, {"id": "p2", "price": 1.10}]}
    machine = make(senses=[sense(feed)]).start(*ALLOW)
    assert looked(machine)["last_result"] == "ok"
    return machine


def test_a_sense_of_the_genesis_runs_at_the_start_and_fills_its_slice(fed: Machine) -> None:
    assert objects(fed) == {"p1": {"n": 1}, "p2": {"price": "1.1"}}
    about = fed.client(None).about()["senses"][0]
    assert (about["name"], about["last_result"]) == ("fda", "ok")
    assert "url" not in about


def test_a_run_that_does_not_fit_the_kind_changes_nothing_and_says_why(fed: Machine, feed: Feed) -> None:
    kind = {"name": "catalogue", "title": "Catalogue", "kind": "products"}
    whole = {"properties": {"n": {"type": "integer"}}}
    fed.mine.call("declare_slice", {**kind, "schema": whole})
    before, held = looked(fed)["last_run"], objects(fed)
    feed.documents["a"] = {"products": [{"id": "p1", "n": 2}, {"id": "p3", "n": "three"}]}
    fed.mine.call("run_sense", {"name": "fda"})
    row = looked(fed, before=before)
    assert (row["ok"], objects(fed)) == (False, held)
    assert "'p3'" in row["last_result"]
    assert '`n`: "three" is not of type "integer"' in row["last_result"]


def test_a_run_on_request_takes_changes_in_and_leaves_the_rest_untouched(fed: Machine, feed: Feed) -> None:
    before = looked(fed)["last_run"]
    seq = fed.mine.object("catalogue", "p1")["seq"]
    fed.mine.call("put", {"slice": "catalogue", "id": "own", "body": {}})
    feed.documents["a"] = {"products": [{"id": "p1", "n": 1}, {"id": "p3"}]}
    fed.mine.call("run_sense", {"name": "fda"})
    looked(fed, before=before)
    assert objects(fed) == {"p1": {"n": 1}, "p3": {}, "own": {}}
    assert fed.mine.object("catalogue", "p1")["seq"] == seq


BROKEN: dict[str, Callable[[Feed], Any]] = {
    "missing": lambda _: None,
    "no JSON": lambda _: b"<html>",
    "no object": lambda _: [],
    "no list": lambda _: {"products": {}},
    "no id": lambda _: {"products": [{"n": 1}]},
    "an id that cannot be": lambda _: {"products": [{"id": "../x"}]},
    "too long": lambda _: b" " * 3_000_000,
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_run_that_fails_keeps_what_was_there_and_says_why(fed: Machine, feed: Feed, how: str) -> None:
    before = looked(fed)["last_run"]
    feed.documents["a"] = BROKEN[how](feed)
    fed.mine.call("run_sense", {"name": "fda"})
    row = looked(fed, before=before)
    assert row["ok"] is False
    assert row["last_result"].startswith("failed: ")
    assert set(objects(fed)) == {"p1", "p2"}


def test_a_feed_inside_a_network_that_is_not_allowed_is_not_fetched(make: Make, feed: Feed) -> None:
    feed.documents["a"] = {"products": [{"id": "p1"}]}
    machine = make(senses=[sense(feed)]).start()
    assert "may not be reached" in looked(machine)["last_result"]
    assert objects(machine) == {}


def test_replacing_a_sense_removes_what_only_the_old_one_supplied(fed: Machine, feed: Feed) -> None:
    before = looked(fed)["last_run"]
    feed.documents["b"] = {"products": [{"id": "p2", "from": "b"}]}
    fed.mine.call("set_sense", sense(feed, document="b"))
    looked(fed, before=before)
    assert objects(fed) == {"p2": {"from": "b"}}


def test_a_sense_of_another_name_replaces_one_that_was_removed(fed: Machine, feed: Feed) -> None:
    fed.mine.call("remove_sense", {"name": "fda"})
    assert set(objects(fed)) == {"p1", "p2"}
    feed.documents["b"] = {"products": [{"id": "p9"}]}
    fed.mine.call("set_sense", sense(feed, name="erp", document="b"))
    looked(fed, "erp")
    assert set(objects(fed)) == {"p9"}


def test_a_sense_looks_again_by_itself(make: Make, feed: Feed) -> None:
    feed.documents["a"] = {"products": [{"id": "p1"}]}
    machine = make(senses=[sense(feed, every=1)]).start(*ALLOW)
    before = looked(machine)["last_run"]
    feed.documents["a"] = {"products": [{"id": "p2"}]}
    looked(machine, before=before)
    assert "p2" in objects(machine)


def test_objects_show_nothing_of_the_sense_that_brought_them(fed: Machine, feed: Feed) -> None:
    page = json.dumps(fed.mine.objects("catalogue"))
    assert "fda" not in page.lower()
    assert str(feed.port) not in page


def test_the_public_document_says_only_that_a_sense_failed(fed: Machine, feed: Feed) -> None:
    before = looked(fed)["last_run"]
    del feed.documents["a"]
    fed.mine.call("run_sense", {"name": "fda"})
    assert "404" in looked(fed, before=before)["last_result"]
    fed.mine.call("set_sense", {"name": "desk", "kind": "manual", "title": "By hand"})
    shown = {row["name"]: row["last_result"] for row in fed.client(None).about()["senses"]}
    assert shown == {"fda": "failed", "desk": ""}


@pytest.mark.parametrize("url", ["http://[", "https://[::1/x", "https://[x]/"])
def test_an_address_that_is_no_url_is_refused_with_its_reason(standing: Machine, url: str) -> None:
    args = {"name": "s", "kind": "feed", "title": "S", "url": url, "target": {"catalogue": "products"}}
    with pytest.raises(TwinError) as refused:
        standing.mine.call("set_sense", args)
    assert refused.value.status == 422
    assert "`url`" in refused.value.detail


@dataclass
class Odd:
    """A kind of sense that breaks, or whose failure is told in words that no record can hold."""

    failure: Exception
    runs: bool = True
    count: int = 0

    def check(self, url: str, target: Mapping[str, str]) -> None:
        """Work with anything."""

    def run(self, url: str, target: Mapping[str, str], allow: Sequence[str]) -> Supplied:
        self.count += 1
        raise self.failure


@asynccontextmanager
async def looking(directory: Path, *senses: str) -> AsyncIterator[Twin]:
    """A twin in this process, which looks every second through senses of these kinds."""
    rows = [{"name": kind, "kind": kind, "title": kind, "every": 1} for kind in senses]
    create(directory / "twin", slug="acme", name="Acme", genesis={"senses": rows})
    twin = Twin(directory / "twin", load("twin"))
    twin.start()
    runner = Runner(twin, [])
    yield twin
    await runner.close()
    await twin.close()


async def run_of(twin: Twin, name: str, before: str | None = None) -> dict[str, Any]:
    async with asyncio.timeout(30):
        while twin.state.get("sense", name)["last_run"] in (None, before):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    row: dict[str, Any] = twin.state.get("sense", name)
    return row


@pytest.mark.asyncio
async def test_a_sense_that_breaks_is_recorded_as_failed(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(KINDS, "odd", Odd(ssl.SSLError("what a library says")))
    async with looking(place, "odd") as twin:
        row = await run_of(twin, "odd")
    assert (row["ok"], row["last_result"]) == (False, "failed: the sense broke down (SSLError)")


@pytest.mark.asyncio
async def test_a_sense_whose_run_cannot_be_recorded_does_not_run_without_end(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mute = Odd(SenseFailed("\ud800"))
    monkeypatch.setitem(KINDS, "mute", mute)
    monkeypatch.setitem(KINDS, "odd", Odd(SenseFailed("no")))
    async with looking(place, "mute", "odd") as twin:
        first = await run_of(twin, "odd")
        await run_of(twin, "odd", before=first["last_run"])
    assert mute.count == 1


def test_a_sense_fed_by_hand_has_nothing_to_run(twin: Machine) -> None:
    twin.mine.call("set_sense", {"name": "desk", "kind": "manual", "title": "By hand"})
    with pytest.raises(TwinError) as refused:
        twin.mine.call("run_sense", {"name": "desk"})
    assert refused.value.status == 409
