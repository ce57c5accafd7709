"""The page of the admin surface: `/_trunkline/` in a browser.

`page.html` is rendered by the server. `page.js` fetches it again when an event says that something has happened, and
puts the changed parts in place. The page loads nothing from elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from trunkline.exchange import Json
from trunkline.mock.faults import scenarios
from trunkline.mock.mock import Mock
from trunkline.mock.world import MOCK_ONLY
from trunkline.redaction import REDACTED, redact_json
from trunkline.transport.admin.messages import redacted, root_address, session_of
from trunkline.transport.admin.page.commands import commands
from trunkline.transport.pages import THEME, template

_FOLDER = Path(__file__).parent
_MOST_ROWS = 100
"""How many requests, and how many records of a table, the page shows."""
_MOST_COLUMNS = 7

_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}


def page(request: Request) -> Response:
    """The page, as things are now."""
    session, root = session_of(request), root_address(request)
    bases = {vendor.name: vendor.contract.base_path for vendor in session.vendors}
    requests = [json.loads(session.requests.to_text(one)) for one in session.requests.entries()[-_MOST_ROWS:]]
    faults = session.faults.entries()
    text = template(_FOLDER / "page.html").render(
        root=root,
        requests=requests[::-1],
        bases=bases,
        keeps_requests=session.requests.most > 0,
        vendors=[_vendor(served.mock, root) for served in session.mocks.values()],
        faults=faults,
        redacted=partial(redacted, session),
        scenarios=scenarios().values(),
        on={one.scenario for one in faults},
    )
    return HTMLResponse(text, headers=_HEADERS)


def _vendor(mock: Mock, root: str) -> dict[str, Json]:
    vendor = mock.vendor
    url = root + vendor.contract.base_path
    grants = vendor.world.tokens.items()
    return {
        "name": vendor.name,
        "url": url,
        "tokens": [{"text": text, "account": grant.account, "refused": grant.refused} for text, grant in grants],
        "commands": [*commands(mock, url)],
        "tables": [*_tables(mock)],
    }


def _tables(mock: Mock) -> Iterator[dict[str, Json]]:
    """The records of each collection in each account that has some, and of the default account."""
    world = mock.vendor.world
    for name, collection in world.collections.items():
        for account in sorted(world.accounts, key=lambda account: (account != world.account, account)):
            records = [*mock.records(name).of(account)]
            if not records and account != world.account:
                continue
            path = f"records/{quote(mock.vendor.name)}/{quote(name)}"
            query = f"?{urlencode({'account': account})}"
            shown = [redact_json(record, mock.secrets.has_name, mock.secrets.redact) for record in records[:_MOST_ROWS]]
            columns = _columns(collection.identity, shown)
            yield {
                "collection": name,
                "account": account,
                "total": len(records),
                "columns": columns,
                "path": path + query,
                "records": [_row(record, collection.identity, columns, path, query) for record in shown],
            }


def _columns(identity: str, records: list[dict[str, Json]]) -> list[str]:
    """The id, then the first fields that hold plain values."""
    plain = dict.fromkeys(
        name
        for record in records[:1]
        for name, value in record.items()
        if not isinstance(value, list | dict) and value != REDACTED
    )
    return [identity, *(name for name in plain if name != identity)][:_MOST_COLUMNS]


def _row(record: Mapping[str, Json], identity: str, columns: list[str], path: str, query: str) -> dict[str, Json]:
    named = str(record[identity])
    editable = {
        name: value for name, value in record.items() if name not in {identity, MOCK_ONLY} and value != REDACTED
    }
    return {
        "id": named,
        "cells": [_cell(record.get(name)) for name in columns],
        "path": f"{path}/{quote(named, safe='')}{query}",
        "json": json.dumps(editable, indent=2, ensure_ascii=False),
    }


def _cell(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value)


@cache
def _asset(name: str) -> bytes:
    return (_FOLDER / name).read_bytes()


def _script(_: Request) -> Response:
    return Response(_asset("page.js"), media_type="text/javascript", headers={"cache-control": "no-cache"})


def _style(_: Request) -> Response:
    text = THEME.read_bytes() + _asset("page.css")
    return Response(text, media_type="text/css", headers={"cache-control": "no-cache"})


ROUTES = (Route("/page.js", _script), Route("/page.css", _style))
