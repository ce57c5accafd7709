"""The index of a server, and its OpenAPI documents: of each vendor, and of the admin surface itself.

`openapi.json` beside this module documents every route of the package.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route

import trunkline
from trunkline.contract.export import document
from trunkline.transport.access import BASE
from trunkline.transport.admin.messages import Answer, mock_named, root_of, session_of

_DOCUMENT = Path(__file__).with_name("openapi.json")


async def index(request: Request) -> Answer:
    """The vendors with their addresses and tokens, and links to what else can be read."""
    root = root_of(request)
    vendors = {
        name: {
            "url": root + steered.mock.vendor.contract.base_path,
            "token": steered.mock.vendor.world.token,
            "openapi": f"{root}{BASE}/openapi/{name}.json",
        }
        for name, steered in session_of(request).mocks.items()
    }
    links = {path: f"{root}{BASE}/{path}" for path in _readable(request.app.routes)}
    return JSONResponse({"trunkline": trunkline.__version__, "url": root, "vendors": vendors, "links": links})


def _readable(routes: Iterable[BaseRoute]) -> list[str]:
    """The paths of the routes that answer GET without a further parameter: `["health", "openapi.json"]`."""
    return [
        route.path.lstrip("/")
        for route in routes
        if isinstance(route, Route) and "GET" in (route.methods or ()) and "{" not in route.path and route.path != "/"
    ]


async def admin_document(request: Request) -> Answer:
    """The document of the admin surface at this address. It names the vendors that are served."""
    found = json.loads(_DOCUMENT.read_bytes())
    found["servers"] = [{"url": root_of(request) + BASE}]
    found["components"]["parameters"]["vendor"]["examples"] = {
        name: {"value": name} for name in session_of(request).mocks
    }
    return JSONResponse(found)


async def vendor_document(request: Request) -> Answer:
    """The contract of a vendor as `trunkline export` prints it. Its server is the mock."""
    vendor = mock_named(session_of(request), request.path_params["vendor"]).mock.vendor
    return JSONResponse(
        document(
            vendor.contract,
            url=root_of(request) + vendor.contract.base_path,
            examples=vendor.example_ids,
            bodies=vendor.example_bodies,
        )
    )


ROUTES = (
    Route("/", index),
    Route("/openapi.json", admin_document),
    Route("/openapi/{vendor}.json", vendor_document),
)
