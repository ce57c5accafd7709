"""The stateful check as a whole: what it exercises, reports and leaves behind, and what it survives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from tests.check.stateful.defects import OWN, SECOND, SERVERS, Record, Refused, Talkover, Telepath
from trunkline import mock
from trunkline.check.settling import Settling
from trunkline.check.stateful.engine import run_scenarios
from trunkline.check.stateful.laws import STATEFUL_LAWS
from trunkline.check.stateful.request_bodies import ValueFactory
from trunkline.check.stateful.runner import Exercised, plan_of, run_stateful
from trunkline.check.stateful.scenario import Scenario, StatefulRun
from trunkline.contract.model import Contract
from trunkline.errors import BudgetExhausted, TargetError
from trunkline.exchange import Request, Response, Target
from trunkline.findings import Finding
from trunkline.mock import loader
from trunkline.transport.targets import budgeted

LOADED = {name: loader.load(name) for name in SERVERS}
PREFIX = "trunkline-check-test"

each_vendor = pytest.mark.parametrize("vendor", sorted(SERVERS))


def results_of(contract: Contract, target: Target, **more: Any) -> list[Finding | Exercised]:
    """The results of a short stateful check."""
    budget: dict[str, Any] = {"examples": 4, "steps": 10, **more}
    return list(run_stateful(contract, target, prefix=PREFIX, credential=OWN, second_credential=SECOND, **budget))


def findings(results: list[Finding | Exercised]) -> list[Finding]:
    return [result for result in results if isinstance(result, Finding)]


def reasons(results: list[Finding | Exercised]) -> dict[tuple[str, str], str]:
    """The reason why each law was not exercised for an operation; empty if it was."""
    return {(result.operation, result.law): result.reason for result in results if isinstance(result, Exercised)}


class Lagging(Talkover):
    """A server whose list shows a trunk some seconds after its creation, by a clock that only pauses move."""

    def __init__(self, lag: float) -> None:
        super().__init__()
        self.lag, self.clock = lag, 0.0
        self.born: dict[str, float] = {}

    def sleep(self, seconds: float) -> None:
        self.clock += seconds

    def store(self, trunk: Record) -> None:
        super().store(trunk)
        self.born[trunk["id"]] = self.clock

    def list_trunks(self, account: str, request: Request) -> tuple[int, Any]:  # noqa: ARG002 - it overrides
        shown = [trunk for trunk in self.listed(account) if self.clock - self.born[trunk["id"]] >= self.lag]
        return self.done([self.item(trunk) for trunk in shown])


@pytest.mark.parametrize(
    ("lag", "allowed", "message"),
    [
        (0.3, 1.0, None),
        (0.3, 0.0, " does not show a created item, but the response was right 0.35 s later; --settle allows a lag"),
        (5.0, 0.0, " does not show a created item"),
        (5.0, 2.0, " does not show a created item"),
    ],
)
def test_a_list_that_lags_is_read_again(lag: float, allowed: float, message: str | None) -> None:
    """A lag that is allowed is no finding; one that ends within the watched second is reported as such."""
    server = Lagging(lag)
    settling = Settling(allowed, max(allowed, 1.0), server.sleep)
    results = results_of(LOADED["talkover"].contract, server, settling=settling)
    expected = [("created_is_listed", f"listSipTrunks{message}")] if message else []
    assert [(finding.rule, finding.message) for finding in findings(results)] == expected
    assert reasons(results)["createSipTrunk", "created_is_listed"] == ""


def test_reducing_a_scenario_does_not_wait_again() -> None:
    """A read that stays wrong is watched once for each law, not for each variant of its scenario."""
    server = Lagging(float("inf"))
    findings(results_of(LOADED["talkover"].contract, server, settling=Settling(0.0, 1.0, server.sleep)))
    assert server.clock <= len(STATEFUL_LAWS)


class Stuck(Telepath):
    """A server that ignores the offset: each page is the first one again."""

    def list_trunks(self, account: str, request: Request) -> tuple[int, Any]:  # noqa: ARG002 - it overrides
        page = {"limit": 100, "offset": 0, "total": 150}
        return 200, {"trunks": [{"id": f"conn_{number:09}"} for number in range(1000, 1100)], "pagination": page}


def test_a_list_that_repeats_its_page_is_the_reason() -> None:
    """A law about a list that never ends is not exercised for that reason, and more scenarios are not advised."""
    results = results_of(LOADED["telepath"].contract, Stuck())
    reason = "listTrunks repeats its pages, so it cannot be read to its end"
    assert reasons(results)["createTrunk", "created_is_listed"] == reason


def test_the_laws_are_sentences_and_concern_something() -> None:
    """Each law has its own name, a statement, a basis, and an operation that it is about."""
    names = [law.name for law in STATEFUL_LAWS]
    assert len(set(names)) == len(names)
    for law in STATEFUL_LAWS:
        assert law.statement.endswith(".")
        assert law.basis
        assert any(law.concerns(operation) for vendor in LOADED.values() for operation in vendor.contract.operations)
        assert not all(law.concerns(operation) for operation in LOADED["telepath"].contract.operations)


@each_vendor
def test_the_fixed_scenarios_exercise_every_law(vendor: str) -> None:
    """Every law is judged for every operation that it concerns, without random scenarios."""
    results = results_of(LOADED[vendor].contract, SERVERS[vendor](), examples=1, steps=1)
    assert findings(results) == []
    assert not any(reasons(results).values())


@pytest.mark.slow
@each_vendor
def test_the_same_seed_sends_the_same_requests(vendor: str) -> None:
    """The same seed sends the same requests, and another seed sends others."""

    def requests(seed: int) -> list[tuple[str, str, bytes]]:
        log: list[tuple[str, str, bytes]] = []
        server = SERVERS[vendor]()

        def target(request: Request) -> Response:
            log.append((request.method, request.target, request.body))
            return server(request)

        results_of(LOADED[vendor].contract, target, seed=seed)
        return log

    assert requests(1) == requests(1)
    assert requests(1) != requests(2)


def test_everything_that_can_be_deleted_is_deleted() -> None:
    """The check leaves nothing behind, after a finding too."""

    class Wrong(Talkover):
        """Every update replaces the domain."""

        def apply(self, trunk: Record, changes: Record) -> None:
            super().apply(trunk, changes)
            trunk["domain"] = "lost.example.com"

    for server in (Talkover(), Wrong()):
        results = results_of(LOADED["talkover"].contract, server)
        assert bool(findings(results)) is isinstance(server, Wrong)
        assert not server.trunks
        assert not server.dids


@pytest.mark.parametrize("allowed", [0, 1, 3])
def test_no_more_is_left_behind_than_is_allowed(allowed: int) -> None:
    """Where nothing can be deleted, no more items are created than may be left, and scenarios use them again."""
    server = Telepath()
    results = results_of(LOADED["telepath"].contract, server, allowed_leftovers=allowed)
    assert findings(results) == []
    assert len(server.trunks) <= allowed
    why = reasons(results)
    if allowed:
        assert not why["updateTrunk", "update_shows"]
        assert bool(why["createTrunk", "refused_requests_change_nothing"]) is (allowed == 1)
    else:
        assert {"--leave" in reason for reason in why.values()} == {True}


def test_a_finding_about_an_earlier_item_shows_its_creation() -> None:
    """A finding about an item of an earlier scenario begins with the request that created it."""

    class Wrong(Telepath):
        """An update does not change the name."""

        def apply(self, trunk: Record, changes: Record) -> None:
            super().apply(trunk, {**changes, "name": trunk["name"]})

    (finding,) = findings(results_of(LOADED["telepath"].contract, Wrong(), allowed_leftovers=1))[:1]
    assert finding.rule == "update_shows"
    assert [exchange.request.method for exchange in finding.exchanges] == ["POST", "PATCH"]


class Bug(Exception):
    """An error that is not the target's."""


def results_until(contract: Contract, target: Target, error: type[Exception]) -> list[Finding | Exercised]:
    """The results of a check that ends with this error."""
    results = []
    try:
        for result in run_stateful(contract, target, prefix=PREFIX, credential=OWN, second_credential=SECOND):
            results.append(result)  # noqa: PERF402 - the results before the error count
    except error:
        return results
    pytest.fail("nothing was raised")


@pytest.mark.parametrize("error", [BudgetExhausted("spent"), TargetError("down")])
def test_an_error_of_the_target_comes_after_the_results(error: TargetError) -> None:
    """A run that ends early reports which laws were exercised, and the error as the reason for the others."""
    server, left = Talkover(), iter(range(40))

    def target(request: Request) -> Response:
        if next(left, None) is None:
            raise error
        return server(request)

    results = results_until(LOADED["talkover"].contract, target, type(error))
    why = reasons(results)
    assert why["createSipTrunk", "created_is_read_back"] == ""
    assert why["deleteSipTrunk", "second_deletion_is_not_found"] == str(error)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Bug()])
def test_any_other_error_ends_the_check_at_once(error: BaseException) -> None:
    """Ctrl-C and a bug are raised as they are, and no further request is sent."""
    count = 0

    def target(request: Request) -> Response:
        nonlocal count
        count += 1
        raise error

    with pytest.raises(type(error)):
        results_of(LOADED["talkover"].contract, target)
    assert count == 1


def test_a_finding_is_reported_though_the_budget_ends_its_reduction() -> None:
    """A finding is not lost when the budget is spent while it is reduced."""

    class Wrong(Talkover):
        """Every update drops the realm."""

        def kept(self, trunk: Record, changes: Record) -> Record:
            return {**super().kept(trunk, changes), "auth_realm": None}

    for limit in range(200, 400, 20):
        if findings(results_until(LOADED["talkover"].contract, budgeted(Wrong(), limit), BudgetExhausted)):
            return
    pytest.fail("no budget led to a finding")


JUNK = (
    b"",
    b"null",
    b"[]",
    b"{}",
    b'"x"',
    b"{",
    b"\xff\xfe",
    b'{"data":[]}',
    b'{"data":{"id":{}}}',
    b'{"data":[1,null,{"id":[]},{"id":7}]}',
    b'{"data":{"id":7,"name":null,"port":[],"is_verified":"x"}}',
    b'{"data":{"id":"../x?y#z%2f"}}',
    b'{"data":{"id":".."}}',
    b'{"data":{"id":"\\ud800"}}',
    b'{"trunks":{"0":1}}',
    b'{"trunks":[{"id":"a"},{"id":"a"}],"pagination":{"total":"9"}}',
    b'{"id":"a b","name":7,"status":{"a":1},"created_at":true}',
    b'{"error":{"code":7}}',
    b'{"code":["x"]}',
    b"[" * 500,
    b'{"trunks":[{"id":"x","status":["a"]}],"pagination":{"total":1e400}}',
)
STATUSES = (200, 201, 204, 299, 302, 400, 401, 403, 404, 409, 410, 422, 429, 500, 503)


@pytest.mark.slow_for("1-0.", "2-0.", "3-0.", "1-1.", "2-1.", "3-1.")
@each_vendor
@pytest.mark.parametrize("share", [0.02, 0.3, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_no_response_confuses_the_check(vendor: str, share: float, seed: int) -> None:
    """The check ends after any responses, and requests only paths of the contract."""
    random, server = Random(seed), SERVERS[vendor]()  # noqa: S311 - responses, not secrets
    contract = LOADED[vendor].contract

    def target(request: Request) -> Response:
        response = server(request)
        assert contract.match(request.path)[0], request.path
        if random.random() < share:
            return Response(random.choice((response.status, *STATUSES)), (), random.choice(JUNK))
        return response

    results = results_of(contract, target, seed=seed, allowed_leftovers=random.choice((None, 2)), tries=20)
    assert reasons(results)
    assert all(finding.exchanges for finding in findings(results))


def test_a_failing_server_gets_few_requests() -> None:
    """Where nothing can be created, the check is short."""
    count = 0

    class Down(Talkover):
        """The database is down."""

        def read(self, request: Request) -> Record:
            raise Refused(503, request.path)

        def __call__(self, request: Request) -> Response:
            nonlocal count
            count += 1
            return super().__call__(request)

    assert findings(results_of(LOADED["talkover"].contract, Down(), examples=25, steps=12)) == []
    assert count < 600


def accounts(vendor: str) -> list[str]:
    """A token of each account of the mock."""
    found = {grant.account: token for token, grant in LOADED[vendor].world.tokens.items() if not grant.refused}
    return list(found.values())


STEPS = 10_000


@pytest.mark.slow
@each_vendor
def test_ten_thousand_steps_find_nothing_on_the_mock(vendor: str) -> None:
    """The moves of fixed and random scenarios on each vendor's mock have no finding, and exercise every law."""
    fake = mock.from_vendor(LOADED[vendor])
    own, second, *_ = accounts(vendor)
    factory = ValueFactory(PREFIX, Random(7))  # noqa: S311 - values to send
    stateful = StatefulRun(LOADED[vendor].contract, fake, factory, own, second)
    plan = plan_of(stateful)

    def start() -> Scenario:
        fake.reset()
        return stateful.start()

    plan = replace(plan, start=start)

    def found() -> Iterator[Finding]:
        seed = 0
        while stateful.steps < STEPS:
            yield from run_scenarios(plan, seed=seed, examples=100, steps=20)
            random_only = replace(plan, fixed=())
            seed += 1
            while stateful.steps < STEPS:
                yield from run_scenarios(random_only, seed=seed, examples=100, steps=20)
                seed += 1

    assert next(found(), None) is None
    assert stateful.steps >= STEPS
    for operation in LOADED[vendor].contract.operations:
        for law in STATEFUL_LAWS:
            assert not law.concerns(operation) or stateful.counts[operation.operation_id, law.name], law.name
