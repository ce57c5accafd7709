"""The records of the mocks: read, add, change and remove them, as `mock.records` does.

In answers, `***` stands for each secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.responses import Response as HTTPResponse
from starlette.routing import Route

from trunkline.exchange import Json
from trunkline.mock.generators import Record
from trunkline.mock.mock import Mock
from trunkline.mock.world import Collection
from trunkline.redaction import REDACTED, redact_json
from trunkline.transport.access import RESERVED
from trunkline.transport.admin.messages import (
    mock_named,
    read_query,
    read_valid_body,
    root_address,
    session_of,
    whole_number,
)

if TYPE_CHECKING:
    from trunkline.mock.records import Records

_LISTED, _MOST_LISTED = 100, 1000
"""How many records are listed, unless the query says otherwise, and at most."""


def list_collections(request: Request) -> HTTPResponse:
    """The accounts of a vendor, the default one first, and its collections with the number of records of each."""
    read_query(request, ())
    mock = _mock(request)
    world = mock.vendor.world
    accounts = [world.account, *sorted(world.accounts - {world.account})]
    collections = {
        name: {
            "identity": collection.identity,
            "parent": _parent(collection),
            "records": {account: len(mock.snapshot(name, account)) for account in accounts},
        }
        for name, collection in world.collections.items()
    }
    return JSONResponse({"accounts": accounts, "collections": collections})


def list_records(request: Request) -> HTTPResponse:
    """The records of a collection in one account, in the order in which they were added."""
    query = read_query(request, ("account", "limit", "offset"))
    limit = whole_number("limit", query.get("limit", str(_LISTED)), most=_MOST_LISTED)
    offset = whole_number("offset", query.get("offset", "0"))
    records = _records(request, query.get("account"))
    page = records[offset : offset + limit]
    return JSONResponse({"records": [_shown(request, record) for record in page], "total": len(records)})


async def add_record(request: Request) -> HTTPResponse:
    """Add a record. The fields that are not given are made up."""
    query, body = read_query(request, ("account",)), await read_valid_body(request, "Record")
    account = body.get("account", query.get("account"))
    record = await run_in_threadpool(lambda: _records(request, account).add(body))
    vendor, collection = request.path_params["vendor"], request.path_params["collection"]
    world = _mock(request).vendor.world
    identity, owner = quote(record[world.collections[collection].identity], safe=""), world.account_of(record)
    asked = "" if owner == world.account else f"?account={quote(owner, safe='')}"
    place = f"{root_address(request)}{RESERVED}/records/{vendor}/{collection}/{identity}{asked}"
    return JSONResponse(_shown(request, record), 201, {"location": place})


def remove_records(request: Request) -> HTTPResponse:
    """Remove all records of a collection in one account, and all that belong to them."""
    records = _records(request, read_query(request, ("account",)).get("account"))
    count = len(records)
    records.clear()
    return JSONResponse({"removed": count})


def get_record(request: Request) -> HTTPResponse:
    """A record by its id."""
    records = _records(request, read_query(request, ("account",)).get("account"))
    return JSONResponse(_shown(request, _named(request, records)))


async def change_record(request: Request) -> HTTPResponse:
    """Replace fields of a record; those that depend on them follow. A secret that is given as `***` stays as it is."""
    query, body = read_query(request, ("account",)), await read_valid_body(request, "Record")
    given = {
        name: value for name, value in body.items() if value != REDACTED or not _mock(request).secrets.has_name(name)
    }

    def change() -> Record:
        records = _records(request, query.get("account"))
        _named(request, records)
        return records.change(request.path_params["id"], given)

    return JSONResponse(_shown(request, await run_in_threadpool(change)))


def remove_record(request: Request) -> HTTPResponse:
    """Remove a record, and all that belong to it."""
    records = _records(request, read_query(request, ("account",)).get("account"))
    _named(request, records)
    records.remove(request.path_params["id"])
    return JSONResponse({"removed": 1})


def _mock(request: Request) -> Mock:
    return mock_named(session_of(request), request.path_params["vendor"])


def _records(request: Request, account: Json) -> Records:
    """The records of the request's collection, in the default account if none is given. No message repeats a name."""
    mock, collection = _mock(request), request.path_params["collection"]
    world, vendor = mock.vendor.world, mock.vendor.name
    if collection not in world.collections:
        raise HTTPException(404, f"{vendor} has no such collection; there are: {', '.join(world.collections)}")
    if account is not None and account not in [*world.accounts]:
        known = ", ".join(sorted(world.accounts))
        raise HTTPException(404, f"no token of {vendor} opens this account; there are: {known}")
    return mock.records(collection).of(account or world.account)


def _named(request: Request, records: Records) -> Record:
    """The record with the id in the path."""
    record = records.get(request.path_params["id"])
    if record is None:
        raise HTTPException(404, "no record of this collection and account has this id")
    return record


def _parent(collection: Collection) -> Json:
    parent = collection.parent
    return parent and {"collection": parent.collection, "field": parent.field}


def _shown(request: Request, record: Record) -> Json:
    return redact_json(record, _mock(request).secrets.has_name, str)


ROUTES = (
    Route("/records/{vendor}", list_collections),
    Route("/records/{vendor}/{collection}", list_records),
    Route("/records/{vendor}/{collection}", add_record, methods=["POST"]),
    Route("/records/{vendor}/{collection}", remove_records, methods=["DELETE"]),
    Route("/records/{vendor}/{collection}/{id:path}", get_record),
    Route("/records/{vendor}/{collection}/{id:path}", change_record, methods=["PATCH"]),
    Route("/records/{vendor}/{collection}/{id:path}", remove_record, methods=["DELETE"]),
)
