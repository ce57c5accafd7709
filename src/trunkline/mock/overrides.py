"""Replace the tokens and the records of a vendor, for one test."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from trunkline.contract.requests import is_bearer_token
from trunkline.errors import DataError, UsageError
from trunkline.exchange import Json
from trunkline.mock.factory import RecordFactory
from trunkline.mock.generators import Record
from trunkline.mock.loader import Vendor, with_records

RecordsOrCount: TypeAlias = Sequence[Mapping[str, Json]] | int
"""Whole records, or the number of records to generate."""


def override(vendor: Vendor, /, *, tokens: Sequence[str] | None = None, **collections: RecordsOrCount) -> Vendor:
    """The vendor with other tokens and records.

        >>> override(acme, tokens=["sk_test"], trunks=3, dids=[])

    `tokens` open the default account. Each collection is a list of whole records as in fixtures, or the number of
    records to generate. A record whose parent is replaced is removed. Raises `UsageError` or `DataError`.
    """
    if tokens is not None:
        vendor = replace(vendor, world=vendor.world.with_tokens(_checked_tokens(tokens)))
    for name in collections:
        if name not in vendor.world.collections:
            known = ", ".join((*vendor.world.collections, "tokens", "rate_limit"))
            raise UsageError(f"{vendor.name} has no {name!r}; there are: {known}")
    for name in sorted(collections, key=lambda name: _depth(vendor, name)):
        vendor = _override_records(vendor, name, collections[name])
    return vendor


def _checked_tokens(tokens: Json) -> tuple[str, ...]:
    strings = isinstance(tokens, list | tuple) and all(isinstance(token, str) and token for token in tokens)
    if not strings or not tokens:
        raise UsageError("tokens must be a list of one or more strings")
    if not all(is_bearer_token(token) for token in tokens):
        raise UsageError(
            "a token has characters that no bearer token can have (RFC 6750, section 2.1); "
            "use letters, digits and . _ ~ + / -"
        )
    return tuple(tokens)


def _depth(vendor: Vendor, collection: str) -> int:
    """The number of collections above one. Parents are replaced before their children."""
    parent = vendor.world.collections[collection].parent
    return 1 + _depth(vendor, parent.collection) if parent else 0


def _override_records(vendor: Vendor, collection: str, given: Json) -> Vendor:
    label = f"the records given for {vendor.name}'s {collection}"
    try:
        records = _generate(vendor, collection, given) if type(given) is int else json.loads(json.dumps(given))
        changed = with_records(vendor, collection, records)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{label} are not JSON: {error}") from None
    except RecursionError:
        raise UsageError(f"{label} are nested too deeply; give records as in fixtures/") from None
    parent = vendor.world.collections[collection].parent
    for name, index in vendor.world.with_records(collection, tuple(records)).orphans():
        if name == collection and parent:
            raise DataError(label, f"/{index}/{parent.field}", f"there is no such record in {parent.collection}")
    return changed


def _generate(vendor: Vendor, collection: str, count: int) -> list[Record]:
    """Plausible records. If they need a parent, all belong to the first one of the default account."""
    if count < 0:
        raise UsageError(f"{collection} is {count}; give a list of records, or the number to generate")
    factory, world = RecordFactory(vendor, collection, 0), vendor.world
    parents = world.collections[factory.parent.collection].records if factory.parent else ()
    own = [record for record in parents if world.account_of(record) == world.account]
    return [factory.build({}, parents=own) for _ in range(count)]
