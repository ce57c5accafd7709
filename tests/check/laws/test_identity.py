"""Tests of `trunkline.check.laws.identity`: what is compared of repeated responses."""

from __future__ import annotations

import json

import pytest

from trunkline.check.laws import identity
from trunkline.exchange import Exchange, Request, Response
from trunkline.mock import loader
from trunkline.traffic import WHOLE


@pytest.mark.slow
def test_volatile_values_are_left_out_of_a_list_of_any_length() -> None:
    """The values of each item are compared, without its numbers; the time is in proportion to the items."""
    operation = loader.load("telepath").contract.operation("listTrunks")
    trunks = [{"id": f"t{number}", "metrics": {"calls_today": number}} for number in range(60_000)]
    body = json.dumps({"trunks": trunks}).encode()
    exchange = Exchange(Request("GET", "/trunks"), Response(200, (), body), WHOLE)
    expected = {f"body/trunks/{number}/id": f"t{number}" for number in range(60_000)}
    assert identity._stable_values(operation, exchange) == {"status": 200, **expected}
