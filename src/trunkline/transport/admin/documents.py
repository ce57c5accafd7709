"""The index of a server, its health, and its OpenAPI documents: of each vendor, and of the admin surface itself.

`openapi.json` beside this module documents every route of the package.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.responses import Response as HTTPResponse
from starlette.routing import BaseRoute, Route

import trunkline
from trunkline.contract.export import document
from trunkline.mock.session import MockSession
from trunkline.transport.access import RESERVED
from trunkline.transport.admin.messages import (
    DOCUMENT,
    documented_path,
    mock_named,
    root_address,
    session_of,
)
from trunkline.transport.admin.page import ROUTES as ASSETS
from trunkline.transport.admin.page import page
from trunkline.transport.routing import wants_page

_OF_THE_PAGE = ("/", *(route.path for route in ASSETS))


def index(request: Request) -> HTTPResponse:
    """The vendors with their addresses and tokens, and links to what else can be read; for a browser, the page."""
    if wants_page(request):
        return page(request)
    root = root_address(request)
    return JSONResponse(
        {
            "trunkline": trunkline.__version__,
            "url": root,
            "vendors": places(session_of(request), root),
            "links": {path.lstrip("/"): f"{root}{RESERVED}{path}" for path in _readable(request.app.routes)},
        }
    )


def places(session: MockSession, root: str) -> dict[str, dict[str, str]]:
    """The address, the token, the document and the records of each vendor, below the root of its session."""
    return {
        vendor.name: {
            "url": root + vendor.contract.base_path,
            "token": vendor.world.token,
            "openapi": f"{root}{RESERVED}/openapi/{vendor.name}.json",
            "records": f"{root}{RESERVED}/records/{vendor.name}",
        }
        for vendor in session.vendors
    }


def _readable(routes: Iterable[BaseRoute]) -> list[str]:
    """The paths that can be read without a further parameter: `["/health", "/openapi.json"]`."""
    found = [route for route in routes if isinstance(route, Route) and "GET" in (route.methods or ())]
    return [route.path for route in found if "{" not in route.path and route.path not in _OF_THE_PAGE]


async def health(request: Request) -> HTTPResponse:
    """The version, and the vendors that are served."""
    session = session_of(request)
    return JSONResponse({"status": "ok", "trunkline": trunkline.__version__, "vendors": [*session.mocks]})


async def admin_document(request: Request) -> HTTPResponse:
    """The document of the admin surface at this address, with the paths, vendors and collections that it has."""
    found = json.loads(DOCUMENT.read_bytes())
    known = {documented_path(route) for route in request.app.routes}
    found["paths"] = {path: item for path, item in found["paths"].items() if path in known}
    found["servers"] = [{"url": root_address(request) + RESERVED}]
    worlds = {vendor.name: vendor.world for vendor in session_of(request).vendors}
    collections = sorted({name for world in worlds.values() for name in world.collections})
    for parameter, names in (("vendor", worlds), ("collection", collections)):
        found["components"]["parameters"][parameter]["examples"] = {name: {"value": name} for name in names}
    return JSONResponse(found)


async def vendor_document(request: Request) -> HTTPResponse:
    """The contract of a vendor as `trunkline export` prints it. Its server is the mock."""
    vendor = mock_named(session_of(request), request.path_params["vendor"]).vendor
    return JSONResponse(
        document(
            vendor.contract,
            url=root_address(request) + vendor.contract.base_path,
            examples=vendor.example_ids,
            bodies=vendor.example_bodies,
        )
    )


ROUTES = (
    Route("/", index),
    Route("/health", health),
    Route("/openapi.json", admin_document),
    Route("/openapi/{vendor}.json", vendor_document),
)
