"""The feed answers over HTTP as a public source would."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from urllib.parse import urlsplit

import pytest

from twins.demo import feed
from twins.demo.labelers import labelers


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    running = feed.start()
    yield running.url
    running.stop()


def ask(url: str, path: str, method: str = "GET") -> tuple[HTTPResponse, bytes]:
    address = urlsplit(url)
    connection = HTTPConnection(str(address.hostname), address.port, timeout=10)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


def test_a_labeler_comes_with_its_catalogue_and_recalls(url: str) -> None:
    labeler = next(one for one in labelers() if one.recalls)
    answer, body = ask(url, feed.path_of(labeler.slug))
    told = json.loads(body)
    assert answer.status == 200
    assert answer.getheader("Content-Type") == "application/json"
    assert told["labeler"]["name"] == labeler.name
    assert [one["id"] for one in told["catalogue"]] == [product.ndc for product in labeler.products]
    assert [one["id"] for one in told["recalls"]] == [recall.id for recall in labeler.recalls]


def test_every_fact_is_text_so_that_no_number_loses_digits(url: str) -> None:
    for labeler in labelers():
        told = feed.document(labeler)
        for one in [*told["catalogue"], *told["recalls"]]:
            assert all(isinstance(fact, str) for fact in one.values())


@pytest.mark.parametrize("path", ["/", "/labelers/nobody.json", "/labelers/../labelers/sandoz.json"])
def test_anything_else_is_a_404_in_json(url: str, path: str) -> None:
    answer, body = ask(url, path)
    assert answer.status == 404
    assert "expected" in json.loads(body)["error"]


def test_head_tells_the_length_without_the_document(url: str) -> None:
    answer, body = ask(url, feed.path_of("sandoz"), "HEAD")
    _, document = ask(url, feed.path_of("sandoz"))
    assert body == b""
    assert answer.getheader("Content-Length") == str(len(document))


def test_a_stopped_feed_frees_its_port() -> None:
    first = feed.start()
    first.stop()
    second = feed.start(int(str(urlsplit(first.url).port)))
    assert second.url == first.url
    second.stop()
