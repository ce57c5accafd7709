"""Random sequences of faults and writes, compared with a model of the store; and random words in header fields."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.requests import TRUNKS, Client, bearer
from trunkline.contract import folders
from trunkline.contract.model import Delete
from trunkline.errors import TargetError
from trunkline.exchange import Request, Response
from trunkline.mock import loader
from trunkline.mock.faults import effects, parse_line
from trunkline.mock.faults.document import FIELDS
from trunkline.mock.generators import Record
from trunkline.mock.session import MockSession

VENDORS = {name: loader.load(name) for name in folders.names()}

PREVENTING = ("503", "502", "429 retry-after=1", "401", "404", "500 close=in-body", "close", "reset", "418 drip=1")
"""Faults with which a request is not carried out."""
HARMLESS = (
    "lose-answer", "lose-answer delay=1", "close=in-head", "close=after-head", "close=in-body", "close=after",
    "reset=in-head", "reset=in-body", "truncate", "malform", "drop", "null seed=3", "retype seed=5", "delay=60",
    "drip=2", "drain", "skew=-4000", "202", "body=x", "content-type=text/plain", "stale", "half-write",
)  # fmt: skip
"""Faults with which it is carried out."""


@dataclass
class Run:
    """One run: a mock, what its trunks must be, and what they were before the last write."""

    name: str
    rng: Random
    session: MockSession = field(init=False)
    before: dict[str, Record] = field(init=False)
    last: dict[str, Record] = field(init=False)
    numbers: int = 0

    def __post_init__(self) -> None:
        self.session = MockSession([VENDORS[self.name]], keep=0)
        self.before = self.last = self.stored()
        self.has_written = False

    @property
    def client(self) -> Client:
        return Client(VENDORS[self.name], self.session.mocks[self.name])

    def stored(self) -> dict[str, Record]:
        """The trunks in the store, by id and in order."""
        return {record["id"]: record for record in self.session.mocks[self.name].mock.snapshot("trunks")}

    def step(self) -> None:
        """Send one random request with a random fault, and compare the store with the model."""
        words = self.rng.choice(("", *PREVENTING, *HARMLESS, *HARMLESS))
        mock = self.session.mocks[self.name]
        target: Callable[[Request], Response] = mock
        if words and self.rng.random() < 0.5:
            self.session.faults.add(parse_line(f"*: {words} x1"), parse_line("* limit=never: 503"))
        elif words:
            target = lambda request: mock(with_fault(request, words))  # noqa: E731 - one line
        client = Client(VENDORS[self.name], target)
        moves = [self.create, self.update, self.read]
        moves += [self.delete] if VENDORS[self.name].contract.of_kind(Delete, "trunks") else []
        self.rng.choice(moves)(client, words)
        self.session.faults.clear()

    def written(self, words: str, after: dict[str, Record]) -> None:
        """Note a write that was carried out."""
        assert words not in PREVENTING, words
        self.before, self.last, self.has_written = self.last, after, True

    def create(self, client: Client, words: str) -> None:
        self.numbers += 1
        serial = f"fault-{self.numbers}.example" if self.name == "talkover" else f"fault-{self.numbers}"
        attempt(lambda: client.create(serial, name=f"n{self.numbers}"))
        after = self.stored()
        if words in PREVENTING:
            assert after == self.last, words
            return
        new = [identity for identity in after if identity not in self.last]
        assert len(new) == 1, words
        lost = words == "half-write"
        record = after[new[0]]
        assert record["name"] == f"n{self.numbers}" or lost
        assert record.get(TRUNKS[self.name].serial) == serial or lost
        assert {**self.last, new[0]: record} == after
        self.written(words, after)

    def update(self, client: Client, words: str) -> None:
        identity = self.rng.choice([*self.last])
        self.numbers += 1
        attempt(lambda: client.change(identity, f"n{self.numbers}"))
        after = self.stored()
        if words in PREVENTING:
            assert after == self.last, words
            return
        names = TRUNKS[self.name].names
        stored = [name for name in names if after[identity][name] == f"n{self.numbers}"]
        shown = [name for name in names if name in self.shown]
        assert len(stored) == len(names) - (words == "half-write" and bool(shown)), words
        assert {**after, identity: None} == {**self.last, identity: None}
        self.written(words, after)

    @property
    def shown(self) -> frozenset[str]:
        """The fields that the answer to an update shows."""
        update = next(
            found for found in VENDORS[self.name].contract.operations if found.method == TRUNKS[self.name].update
        )
        return frozenset(update.view)

    def delete(self, client: Client, words: str) -> None:
        identity = self.rng.choice([*self.last])
        response = attempt(lambda: client.delete(identity))
        after = self.stored()
        if words in PREVENTING or (response is not None and response.status == 409) or after == self.last:
            assert after == self.last, words
            return
        assert after == {other: record for other, record in self.last.items() if other != identity}, words
        self.written(words, after)

    def read(self, client: Client, words: str) -> None:
        response = attempt(lambda: client.ask("GET", client.path, query="limit=100" if self.name == "telepath" else ""))
        assert self.stored() == self.last, words
        if response is None or words in PREVENTING or response.status != 200:
            assert words
        elif words in ("", "stale", "delay=60", "drain", "half-write", "close=after"):
            expected = self.before if words == "stale" and self.has_written else self.last
            items = response.json()[client.trunks.items]
            assert {item["id"]: item["name"] for item in items[:100]}.items() <= {
                identity: record["name"] for identity, record in expected.items()
            }.items(), words
            assert len(items) == min(100, len(expected)) or self.name == "talkover"


def with_fault(request: Request, words: str) -> Request:
    """The request, which asks for a fault."""
    headers = (*request.headers, ("x-trunkline-fault", words))
    return Request(request.method, request.path, request.query, headers, request.body)


def attempt(ask: Callable[[], Response]) -> Response | None:
    """The response, or None where the connection was closed."""
    try:
        return ask()
    except TargetError:
        return None


def play(name: str, seed: int, steps: int) -> None:
    """One run of so many steps."""
    run = Run(name, Random(seed))  # noqa: S311 - the same for the same seed
    for _ in range(steps):
        run.step()


@pytest.mark.parametrize("name", VENDORS)
def test_faults_and_writes_leave_the_store_as_a_model_says(name: str) -> None:
    """A few hundred random requests, each with a fault or without."""
    for seed in range(3):
        play(name, seed, 150)


@pytest.mark.slow
@pytest.mark.parametrize("name", VENDORS)
def test_ten_thousand_sequences_leave_the_store_as_a_model_says(name: str) -> None:
    """Ten thousand sequences for both vendors together, of up to eight requests each."""
    for seed in range(5000):
        play(name, 1000 + seed, 1 + seed % 8)


DEFECTS: dict[str, Callable[[pytest.MonkeyPatch], object]] = {
    "a connection that is closed first, after the write": lambda patch: patch.setattr(
        effects, "is_prevented", lambda _: False
    ),
    "a lost answer without its write": lambda patch: patch.setattr(
        effects, "is_prevented", lambda step: step.cut == "before"
    ),
    "half a write that stores all": lambda patch: patch.setattr(
        effects.MockRequest, "halves", property(lambda asked: {"name": asked.request})
    ),
    "a stale read that is fresh": lambda patch: patch.setattr(
        "trunkline.mock.mock.Mock.before_last_write", lambda mock: mock
    ),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_the_model_finds_a_defect(monkeypatch: pytest.MonkeyPatch, defect: str) -> None:
    """Each effect on the store that is broken on purpose fails the comparison."""
    DEFECTS[defect](monkeypatch)
    with pytest.raises(AssertionError):
        play("telepath", 1, 1500)


# --- any words in a header field ------------------------------------------------------------------------------------

_WORDS = st.one_of(
    st.sampled_from(sorted(name.replace("_", "-") for name in FIELDS)),
    st.tuples(st.sampled_from(sorted(FIELDS)), st.text(max_size=8)).map("=".join),
    st.sampled_from(["401", "503", "x2", "then", "INVALID_API_KEY", "close=in-body", "delay=1", "drop=/trunks/0"]),
    st.text(max_size=12),
)


@settings(max_examples=300)
@given(st.lists(_WORDS, max_size=4).map(" ".join), st.sampled_from(["x-trunkline-fault", "prefer"]), st.booleans())
def test_no_words_break_the_mock(words: str, header: str, writes: bool) -> None:
    """Every answer is one that was asked for, or a 400 in one sentence: never another status of a server."""
    session, vendor = _session(), VENDORS["telepath"]
    method, path = ("PATCH", "/trunks/conn_abc123xyz") if writes else ("GET", "/trunks")
    headers = (*bearer(vendor.world.token), ("content-type", "application/json"), (header, words))
    request = Request(method, path, "", headers, b'{"name": "x"}' if writes else b"")
    try:
        response = session.mocks["telepath"](request)
    except TargetError:
        return
    assert response.status in range(200, 600)
    if asked := re.match(r"[45]\d\d", response.header("x-trunkline-fault") or ""):
        assert (response.status, asked[0] in words) == (int(asked[0]), True)
    elif response.header("x-trunkline-fault") is None:
        assert response.status in (200, 400)
        assert response.status == 200 or (header != "prefer" and [*response.json()] == ["error"])


@cache
def _session() -> MockSession:
    return MockSession(VENDORS.values(), keep=0)
