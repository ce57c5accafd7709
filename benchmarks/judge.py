"""Compare the time that all rules take over a page of 100 trunks with plain jsonschema over the same page.

    .venv-test/bin/python benchmarks/judge.py

Each round times the three contenders in turn. The fastest round counts, since other load on the machine only adds.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jsonschema
import referencing
from referencing.jsonschema import DRAFT202012

import trunkline
from trunkline import mock
from trunkline.check.rules import judge
from trunkline.contract.model import Contract, List, Operation
from trunkline.contract.requests import build_request
from trunkline.exchange import Exchange

VENDOR = "telepath"
TRUNKS = 100
ROUNDS = 60
REPEATS = 5
MOST_TIMES_PARSING = 8
"""The bound: so many times what `json.loads` takes, which is about 0.1 ms on an idle machine."""


def listing() -> tuple[Operation[List], Exchange]:
    """The operation that lists trunks, and its answer with one page of 100 of them."""
    vendor = trunkline.load(VENDOR, trunks=TRUNKS)
    (operation,) = vendor.contract.of_kind(List, "trunks")
    request = build_request(operation, query={"limit": TRUNKS}, credential=vendor.world.token)
    return operation, Exchange(request, mock.from_vendor(vendor)(request))


def plain_validator(contract: Contract, schema: str) -> Any:
    """A validator of the plain `jsonschema` library for a schema of the contract."""
    base = "https://trunkline.invalid/"
    resources = [(base + name, DRAFT202012.create_resource(content)) for name, content in contract.files.items()]
    registry: Any = referencing.Registry().with_resources(resources).crawl()
    return jsonschema.Draft202012Validator({"$ref": f"{base}openapi.json#{schema}"}, registry=registry)


def milliseconds(action: Callable[[], object]) -> float:
    """The mean time of one call, in milliseconds."""
    started = time.perf_counter()
    for _ in range(REPEATS):
        action()
    return (time.perf_counter() - started) / REPEATS * 1000


def main() -> int:
    """Print the table; 1 when judging takes longer than its bound."""
    operation, exchange = listing()
    body = exchange.response.body
    validator = plain_validator(operation.contract, operation.success.schema)
    value = json.loads(body)
    findings = list(judge(operation, exchange))
    assert not findings, findings

    padding = itertools.count(1)

    def all_rules() -> None:
        fresh = replace(exchange.response, body=body + b" " * next(padding))  # which no cache knows
        if list(judge(operation, replace(exchange, response=fresh))):
            raise AssertionError

    contenders: dict[str, Callable[[], object]] = {
        "all rules, parsing included": all_rules,
        "plain jsonschema, of a parsed page": partial(validator.is_valid, value),
        "json.loads alone": partial(json.loads, body),
    }
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, action in contenders.items():
            times[name].append(milliseconds(action))
    fastest = {name: min(rounds) for name, rounds in times.items()}
    rules, plain, parsing = fastest.values()
    print(f"one page of {TRUNKS} trunks, {len(body)} bytes; the fastest of {ROUNDS} rounds")
    for name, duration in fastest.items():
        print(f"{name:<36}{duration:8.3f} ms")
    print(f"all rules / plain jsonschema        {rules / plain:8.3f}")
    print(f"all rules / json.loads              {rules / parsing:8.3f}")
    return 0 if rules / parsing <= MOST_TIMES_PARSING else 1


if __name__ == "__main__":
    sys.exit(main())
