"""The life of things: what is sent, how a play is shortened and ended, and what the mock survives."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from random import Random

import pytest

from tests.check.stateful.defects import OWN, SECOND, SERVERS, Refused, Talkover, Telepath, Thing
from trunkline import mock
from trunkline.check.stateful.engine import Move, Numbers, Plan, Step, run
from trunkline.check.stateful.fields import conditional_inputs, defaults, inputs, shown_fields
from trunkline.check.stateful.laws import STATEFUL_LAWS
from trunkline.check.stateful.request_bodies import (
    ValueFactory,
    changing_body,
    complete_body,
    flaws,
    partial_body,
    to_json,
    variant_counts,
    variants,
)
from trunkline.check.stateful.resources import resource_operations
from trunkline.check.stateful.runner import Exercised, plan_of, run_stateful
from trunkline.check.stateful.scenario import Scenario, StatefulRun
from trunkline.contract.model import Contract
from trunkline.contract.patterns import sample
from trunkline.contract.refusals import reasons_to_refuse
from trunkline.errors import BudgetExhausted, TargetError
from trunkline.exchange import Request, Response, Target
from trunkline.findings import Evidence, Finding, Grade
from trunkline.mock import loader
from trunkline.transport.targets import budgeted

LOADED = {name: loader.load(name) for name in SERVERS}
PREFIX = "trunkline-check-test"

each_vendor = pytest.mark.parametrize("vendor", sorted(SERVERS))


def maker() -> ValueFactory:
    return ValueFactory(PREFIX, Random(7))  # noqa: S311 - values to send


def told(contract: Contract, target: Target, **more: int | None) -> list[Finding | Exercised]:
    """All that a short life tells."""
    budget = {"examples": 4, "steps": 10, **more}
    return list(run_stateful(contract, target, prefix=PREFIX, credential=OWN, second_credential=SECOND, **budget))  # type: ignore[arg-type]


def findings(words: list[Finding | Exercised]) -> list[Finding]:
    return [word for word in words if isinstance(word, Finding)]


# what is sent


@pytest.mark.parametrize(
    "pattern", ["a|bc", r"x\.y\+", "[a-c-]{3}", "(a(b|c)?){2,3}", r"\d{4}\w", "[+*.]", "a{2,}", "b*c+", "(?:a|b)", "—"]
)
def test_a_sample_matches_its_pattern(pattern: str) -> None:
    """Whatever is made of a pattern, the whole of it matches."""
    chance = Random(1)  # noqa: S311 - values to look at
    for _ in range(50):
        assert re.fullmatch(pattern, sample(pattern, chance))


@pytest.mark.parametrize("pattern", ["a.b", "^a", "[^a]", r"\s", "a$", "(a", "[a", "a)", "\\"])
def test_a_pattern_of_other_words_is_told(pattern: str) -> None:
    """A pattern that says too little, or that is none, makes nothing."""
    with pytest.raises((ValueError, re.error)):
        sample(pattern, Random(1))  # noqa: S311 - values to look at


@each_vendor
def test_each_text_can_be_made(vendor: str) -> None:
    """Every pattern of harmless values in the data can be read, and its values are allowed."""
    for operation in LOADED[vendor].contract.operations:
        for said in inputs(operation):
            assert variants(operation, said), said.name


@each_vendor
def test_a_whole_body_is_allowed_in_every_form(vendor: str) -> None:
    """Whatever is drawn for a creation, the contract has no reason to refuse it."""
    chance, make = Random(3), maker()  # noqa: S311 - values to look at
    for role in resource_operations(LOADED[vendor].contract):
        for _ in range(60):
            drawn = tuple(chance.randrange(size) for size in variant_counts(role.create))
            body = complete_body(role.create, make, drawn)
            assert role.create.body is not None
            assert role.create.contract.accepts(role.create.body.schema, body.values)
            hanging = conditional_inputs(role.create) & body.values.keys()
            assert all(str(body.values["ai_provider"]) in name for name in hanging)


@each_vendor
def test_no_two_bodies_share_what_only_one_can_have(vendor: str) -> None:
    """Labels and unique inputs are new in every body."""
    make = maker()
    for role in resource_operations(LOADED[vendor].contract):
        creating = role.create.kind
        names = {*creating.unique, creating.label} - {""}
        bodies = [complete_body(role.create, make, (0,) * len(inputs(role.create))).values for _ in range(200)]
        for name in names:
            assert len({body[name] for body in bodies}) == len(bodies)


@each_vendor
def test_each_flaw_is_one_that_the_contract_refuses(vendor: str) -> None:
    """What is wrong on purpose is wrong by the contract, and the body would be right without it."""
    make = maker()
    for role in resource_operations(LOADED[vendor].contract):
        for operation in role.writers:
            path = re.sub(r"\{\w+\}", "x", operation.path)
            for flaw in flaws(operation):
                body = complete_body(operation, make, (1,) * len(inputs(operation)), flaw.needs).values
                content = to_json(flaw.spoil(body))
                headers = (("authorization", "Bearer x"), ("content-type", flaw.media_type))
                request = Request(operation.method, path, "", headers, flaw.cut(content))
                assert reasons_to_refuse(operation.contract, request), flaw.name


def test_defaults_hang_on_what_is_sent() -> None:
    """The model reads the defaults of the contract by itself, conditions included."""
    create = LOADED["talkover"].contract.operation("createSipTrunk")
    assert {name: default.value for name, default in defaults(create, {}).items()} == {
        "transport": "tls",
        "is_active": False,
        "port": 5061,
    }
    assert defaults(create, {"transport": "tcp"})["port"].value == 5060
    assert defaults(create, {"transport": "tcp"})["port"].depends_on == {"transport"}
    assert "port" not in defaults(create, {"port": 1})


def test_an_update_sends_what_belongs_to_the_thing() -> None:
    """What only some things have is not sent to others, and something is always sent."""
    update = LOADED["telepath"].contract.operation("updateTrunk")
    drawn = (1,) * len(inputs(update))
    body = partial_body(update, maker(), drawn, lambda name: "elevenlabs" not in name and "custom" not in name, {})
    assert body.values.keys() == {"name", "openai_api_key", "system_prompt"}
    assert partial_body(update, maker(), (0,) * len(drawn), lambda _: True, {}).values.keys() == {"name"}


def test_other_values_are_other_values() -> None:
    """A change that must reset changes each of its inputs."""
    update = LOADED["talkover"].contract.operation("updateSipTrunk")
    for transport in ("udp", "tcp", "tls"):
        values = changing_body(update, maker(), frozenset({"transport", "domain"}), {"transport": transport}).values
        assert values.keys() == {"transport", "domain"}
        assert values["transport"] != transport


def test_an_answer_shows_what_its_schema_documents() -> None:
    """The fields of an item are found through every reference, with what they stand on."""
    contract = LOADED["telepath"].contract
    fields = shown_fields(contract.operation("listTrunks"))
    assert fields["metrics/calls_today"].volatile
    assert fields["name"].reference == "schemas/telepath/trunk.json#/properties/name"
    assert fields["name"].evidence.grade is Grade.DOCUMENTED


# the laws


def test_the_laws_are_sentences_and_concern_something() -> None:
    """Each law has a name of its own, a statement, a basis, and an operation that it is about."""
    names = [law.name for law in STATEFUL_LAWS]
    assert len(set(names)) == len(names)
    for law in STATEFUL_LAWS:
        assert law.statement.endswith(".")
        assert law.basis
        assert any(law.concerns(operation) for vendor in LOADED.values() for operation in vendor.contract.operations)
        assert not all(law.concerns(operation) for operation in LOADED["telepath"].contract.operations)


@each_vendor
def test_the_openings_alone_come_to_every_law(vendor: str) -> None:
    """Nothing is left to chance that a short life can be sure of."""
    words = told(LOADED[vendor].contract, SERVERS[vendor](), examples=1, steps=1)
    assert findings(words) == []
    assert [word for word in words if isinstance(word, Exercised) and word.reason] == []


@each_vendor
def test_a_life_is_the_same_for_the_same_seed(vendor: str) -> None:
    """The same seed sends the same requests, and another one others."""

    def asked(seed: int) -> list[tuple[str, str, bytes]]:
        log: list[tuple[str, str, bytes]] = []
        server = SERVERS[vendor]()

        def target(request: Request) -> Response:
            log.append((request.method, request.target, request.body))
            return server(request)

        told(LOADED[vendor].contract, target, seed=seed)
        return log

    assert asked(1) == asked(1)
    assert asked(1) != asked(2)


# the end


def test_a_life_leaves_nothing_behind() -> None:
    """What can be removed is removed, after a finding too."""

    class Wrong(Talkover):
        """A change of the name resets, and takes the domain with it."""

        def apply(self, trunk: Thing, changes: Thing) -> None:
            super().apply(trunk, changes)
            trunk["domain"] = "lost.example.com"

    for server in (Talkover(), Wrong()):
        words = told(LOADED["talkover"].contract, server)
        assert bool(findings(words)) is isinstance(server, Wrong)
        assert not server.trunks
        assert not server.dids


@pytest.mark.parametrize("leave", [0, 1, 3])
def test_no_more_is_left_behind_than_is_allowed(leave: int) -> None:
    """Of what no operation removes, so much is made and no more; what stands is used again."""
    server = Telepath()
    words = told(LOADED["telepath"].contract, server, leave=leave)
    assert findings(words) == []
    assert len(server.trunks) <= leave
    reasons_ = {(word.operation, word.law): word.reason for word in words if isinstance(word, Exercised)}
    if leave:
        assert not reasons_["updateTrunk", "update_shows"]
        assert bool(reasons_["createTrunk", "refused_requests_change_nothing"]) is (leave == 1)
    else:
        assert {"--leave" in reason for reason in reasons_.values()} == {True}


def test_what_stands_from_an_earlier_play_is_shown_with_its_making() -> None:
    """A finding about a thing of an earlier play begins with the request that made it."""

    class Wrong(Telepath):
        """A name is not changed."""

        def apply(self, trunk: Thing, changes: Thing) -> None:
            super().apply(trunk, {**changes, "name": trunk["name"]})

    (finding,) = findings(told(LOADED["telepath"].contract, Wrong(), leave=1))[:1]
    assert finding.rule == "update_shows"
    assert [exchange.request.method for exchange in finding.exchanges] == ["POST", "PATCH"]


class Broken(Exception):
    """Something is wrong with the target itself."""


def told_until(contract: Contract, target: Target, trouble: type[Exception]) -> list[Finding | Exercised]:
    """All that a life tells before it raises what it must raise."""
    words = []
    lives = run_stateful(contract, target, prefix=PREFIX, credential=OWN, second_credential=SECOND)
    try:
        for word in lives:
            words.append(word)  # noqa: PERF402 - what was told before it raised counts
    except trouble:
        return words
    pytest.fail("nothing was raised")


@pytest.mark.parametrize("error", [BudgetExhausted("spent"), TargetError("down")])
def test_what_a_target_raises_is_told_with_what_was_exercised(error: TargetError) -> None:
    """A run that ends early tells which laws were put to the test, and why the others were not."""
    server, left = Talkover(), iter(range(40))

    def target(request: Request) -> Response:
        if next(left, None) is None:
            raise error
        return server(request)

    words = told_until(LOADED["talkover"].contract, target, type(error))
    reasons_ = {(word.operation, word.law): word.reason for word in words if isinstance(word, Exercised)}
    assert reasons_["createSipTrunk", "created_is_read_back"] == ""
    assert reasons_["deleteSipTrunk", "second_removal_is_not_found"] == str(error)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Broken()])
def test_another_trouble_ends_a_life_at_once(error: BaseException) -> None:
    """Ctrl-C, and a mistake of our own, end it with what they are."""
    count = 0

    def target(request: Request) -> Response:
        nonlocal count
        count += 1
        raise error

    with pytest.raises(type(error)):
        told(LOADED["talkover"].contract, target)
    assert count == 1


def test_a_finding_is_told_though_the_budget_ends_its_shortening() -> None:
    """What was found before the budget was spent is not lost."""

    class Wrong(Talkover):
        """The realm is lost when anything is changed."""

        def kept(self, trunk: Thing, changes: Thing) -> Thing:
            return {**super().kept(trunk, changes), "auth_realm": None}

    for limit in range(200, 400, 20):
        if findings(told_until(LOADED["talkover"].contract, budgeted(Wrong(), limit), BudgetExhausted)):
            return
    pytest.fail("nothing was found within any of the budgets")


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


@each_vendor
@pytest.mark.parametrize("share", [0.02, 0.3, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_no_answer_confuses_a_life(vendor: str, share: float, seed: int) -> None:
    """Whatever is answered, a life comes to its end, and never to another path than its operations have."""
    chance, server = Random(seed), SERVERS[vendor]()  # noqa: S311 - answers to give
    contract = LOADED[vendor].contract

    def target(request: Request) -> Response:
        answer = server(request)
        assert contract.match(request.path)[0], request.path
        if chance.random() < share:
            return Response(chance.choice((answer.status, *STATUSES)), (), chance.choice(JUNK))
        return answer

    words = told(contract, target, seed=seed, leave=chance.choice((None, 2)), tries=20)
    assert [word for word in words if isinstance(word, Exercised)]
    assert all(word.exchanges for word in findings(words))


def test_a_failing_server_is_not_asked_for_ever() -> None:
    """Where nothing can be made, a life is short."""
    count = 0

    class Down(Talkover):
        """The database is away."""

        def read(self, request: Request) -> Thing:
            raise Refused(503, request.path)

        def __call__(self, request: Request) -> Response:
            nonlocal count
            count += 1
            return super().__call__(request)

    assert findings(told(LOADED["talkover"].contract, Down(), examples=25, steps=12)) == []
    assert count < 600


# the machine


def finding(number: int, length: int = 1) -> Finding:
    """A finding of a game of so many moves."""
    evidence = Evidence(Grade.IMPLIED, "https://example.com")
    return Finding(f"rule_{number}", "op", evidence, "", exchanges=(None,) * length)  # type: ignore[arg-type]


def counting(bad: frozenset[int]) -> tuple[Plan[list[int]], list[list[int]]]:
    """A game in which numbers are said: it has a finding when all of the bad ones were said, in any order."""
    ended: list[list[int]] = []

    def say(number: int) -> Move[list[int]]:
        def play(game: list[int], drawn: Numbers) -> Finding | None:
            game.append(number)
            return finding(0, len(game)) if bad and bad <= set(game) else None

        return Move(f"say_{number}", {"loud": (3, 3)}, lambda game: number not in game[-1:], play)

    def end_of(game: list[int], judged: bool) -> Finding | None:
        ended.append(game)
        return None

    return Plan(tuple(say(number) for number in range(6)), list, end_of), ended


def test_the_shortest_game_is_found() -> None:
    """Of a game with many moves only those are left that it takes, with the simplest numbers."""
    rules, ended = counting(frozenset({1, 4}))
    found = next(run(rules, seed=0, examples=50, steps=20))
    assert len(found.exchanges) == 2
    assert [1, 4] in map(sorted, ended)


def test_an_opening_is_played_until_it_has_no_finding() -> None:
    """After each finding the same opening is played again, and then those that follow."""
    left = [1, 2, 3]
    played: list[str] = []

    def play(name: str) -> Move[list[int]]:
        def told_(game: list[int], drawn: Numbers) -> Finding | None:
            played.append(name)
            return finding(left[0]) if left and name == "first" else None

        return Move(name, {}, lambda _: True, told_)

    first, second = play("first"), play("second")
    opening: list[list[Step[list[int]]]] = [[(first, {})], [(second, {})]]
    rules = Plan((second,), list, lambda *_: None, tuple(opening))
    names = []
    for found in run(rules, seed=0, examples=1, steps=1, tries=0):
        names.append(found.rule)
        left.pop(0)
    assert names == ["rule_1", "rule_2", "rule_3"]
    assert played[:4] == ["first"] * 4
    assert set(played[4:]) == {"second"}


def test_a_game_without_a_finding_is_played_to_its_end() -> None:
    """So many games are played as were asked for, each is ended once, and none has a finding."""
    rules, ended = counting(frozenset())
    assert list(run(rules, seed=0, examples=20, steps=5)) == []
    assert len(set(map(tuple, ended))) <= 20 <= len(ended)  # a game that was drawn before does not count
    assert max(map(len, ended)) == 5


def test_a_finding_that_comes_and_goes_is_a_finding() -> None:
    """What is found once is told, though the same game does not find it again."""
    once = iter([finding(1, 3)])
    move: Move[list[int]] = Move("once", {}, lambda _: True, lambda *_: next(once, None))
    found = run(Plan((move,), list, lambda *_: None), seed=0, examples=5, steps=5)
    assert next(found).rule == "rule_1"
    assert next(found, None) is None


def test_what_an_end_finds_counts_once() -> None:
    """A finding at the end of a game is one; a game that had one is ended without another."""
    judgements: list[bool] = []

    def end_of(game: list[int], judged: bool) -> Finding | None:
        judgements.append(judged)
        return finding(2, 4) if judged else None

    move: Move[list[int]] = Move("rest", {}, lambda _: True, lambda *_: None)
    found = next(run(Plan((move,), list, end_of), seed=0, examples=5, steps=5, tries=0))
    assert found.rule == "rule_2"
    assert judgements == [True, False]


# the mock


def accounts(vendor: str) -> list[str]:
    """A token of each account of the mock."""
    found = {grant.account: token for token, grant in LOADED[vendor].world.tokens.items() if not grant.refused}
    return list(found.values())


STEPS = 10_000


@pytest.mark.slow
@each_vendor
def test_the_mock_survives_twenty_thousand_steps(vendor: str) -> None:
    """Half of 20,000 moves with the things of each vendor's mock meet no finding, and come to every law."""
    fake = mock.from_vendor(LOADED[vendor])
    own, second, *_ = accounts(vendor)
    played = StatefulRun(LOADED[vendor].contract, fake, maker(), own, second)
    plan = plan_of(played)

    def start() -> Scenario:
        fake.reset()
        return played.start()

    rules = replace(plan, start=start)

    def lives() -> Iterator[Finding]:
        seed = 0
        while played.steps < STEPS:
            yield from run(rules, seed=seed, examples=100, steps=20)
            rules_without = replace(rules, fixed=())
            seed += 1
            while played.steps < STEPS:
                yield from run(rules_without, seed=seed, examples=100, steps=20)
                seed += 1

    assert next(lives(), None) is None
    assert played.steps >= STEPS
    for operation in LOADED[vendor].contract.operations:
        for law in STATEFUL_LAWS:
            assert not law.concerns(operation) or played.counts[operation.operation_id, law.name], law.name
