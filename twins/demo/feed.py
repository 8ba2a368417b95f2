"""A local stand-in for the FDA's public interfaces: it serves each labeler's extract on 127.0.0.1."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec

from twins.demo.labelers import Labeler, labelers

SOURCE = "FDA NDC Directory (2015) and FDA Data Dashboard recalls (2019 to 2025), public domain, extract"


class Feed:
    """A feed that is being served; `url` has no trailing slash."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="feed", daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{server.server_port}"

    def stop(self) -> None:
        """Stop serving and free the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def start(port: int = 0) -> Feed:
    """Serve `GET /labelers/<slug>.json`; port 0 takes a free one. OSError when the port is taken."""
    server = ThreadingHTTPServer(("127.0.0.1", port), _Handler)
    server.daemon_threads = True
    return Feed(server)


def path_of(slug: str) -> str:
    """Where the feed keeps a labeler."""
    return f"/labelers/{slug}.json"


def document(labeler: Labeler) -> dict[str, Any]:
    """A labeler as the feed tells it: two lists whose objects carry their `id`."""
    facts: dict[str, Any] = msgspec.to_builtins(labeler)
    products, recalls = facts.pop("products"), facts.pop("recalls")
    catalogue = [{"id": product.pop("ndc"), **product} for product in products]
    return {"source": SOURCE, "labeler": facts, "catalogue": catalogue, "recalls": recalls}


class _Handler(BaseHTTPRequestHandler):
    server_version = "mycelium-demo-feed"
    sys_version = ""
    timeout = 10

    def do_GET(self) -> None:
        self.wfile.write(self._head())

    def do_HEAD(self) -> None:
        self._head()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name for it
        """Say nothing: every run of a sense would be a line."""

    def _head(self) -> bytes:
        found = next((one for one in labelers() if path_of(one.slug) == self.path), None)
        if found is None:
            status, answer = 404, {"error": "no such labeler: expected /labelers/<slug>.json"}
        else:
            status, answer = 200, document(found)
        body = json.dumps(answer, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        return body
