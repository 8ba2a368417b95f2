"""The application: every route of the protocol."""

from __future__ import annotations

from aiohttp import web

from twins.runtime.server import about, calls, fga, live, records, slices
from twins.runtime.server.keys import TWIN
from twins.runtime.server.live import SOCKETS
from twins.runtime.server.responses import problems, unsigned
from twins.runtime.twin import Twin

LARGEST_BODY = 4 * 1024 * 1024
STORE = "/stores/{store}"


def build(twin: Twin) -> web.Application:
    """The application that serves a twin."""
    app = web.Application(middlewares=[problems], client_max_size=LARGEST_BODY)
    app[TWIN] = twin
    app[SOCKETS] = set()
    app.on_response_prepare.append(unsigned)
    app.on_shutdown.append(live.close_all)
    app.add_routes(
        [
            web.get("/healthz", about.healthz),
            web.get("/.well-known/mycelium.json", about.about),
            web.post("/v1/call/{reducer:[a-z_]{1,60}}", calls.call),
            web.post("/v1/assertions", calls.assertions),
            web.get("/v1/slices", slices.index),
            web.get("/v1/slices/{slice}/objects", slices.objects),
            web.get("/v1/slices/{slice}/objects/{id}", slices.one),
            web.get("/v1/grants", records.grants),
            web.get("/v1/senses", records.senses),
            web.get("/v1/people", records.people),
            web.get("/v1/log", records.log),
            web.get("/v1/verify", records.verify),
            web.get("/v1/checkpoint", records.checkpoint),
            web.get("/v1/proof/inclusion", records.inclusion),
            web.get("/v1/proof/consistency", records.consistency),
            web.get("/v1/live", live.live),
            web.get(STORE, fga.store_route(fga.store)),
            web.post(f"{STORE}/check", fga.store_route(fga.check)),
            web.post(f"{STORE}/batch-check", fga.store_route(fga.batch_check)),
            web.post(f"{STORE}/read", fga.store_route(fga.read)),
            web.post(f"{STORE}/write", fga.store_route(fga.write)),
            web.post(f"{STORE}/list-objects", fga.store_route(fga.list_objects)),
            web.get(f"{STORE}/authorization-models", fga.store_route(fga.models)),
            web.get(f"{STORE}/authorization-models/{{model}}", fga.store_route(fga.model)),
        ]
    )
    return app
