"""The scenarios that ship."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import pytest

from tests.requests import Client, request_of
from trunkline.contract import folders
from trunkline.errors import TargetError, UsageError
from trunkline.exchange import Request
from trunkline.mock import from_vendor, loader
from trunkline.mock.faults import load_faults, parse_line, scenario, scenarios, switch_on, to_line
from trunkline.mock.faults.document import FIELDS
from trunkline.mock.session import MockSession

VENDORS = {name: loader.load(name) for name in folders.names()}
ROUNDS = 12


def test_there_are_many_and_each_says_what_a_good_client_does() -> None:
    """Two sentences each, and no vendor's operation."""
    operations = {operation.operation_id for vendor in VENDORS.values() for operation in vendor.contract.operations}
    assert len(scenarios()) >= 10
    for one in scenarios().values():
        assert re.fullmatch(r"[A-Z][^.]*\.", one.summary)
        assert re.fullmatch(r"[a-z][^.]*\.", one.client)
        assert one.faults
        for fault in one.faults:
            assert fault.operation not in operations
            assert parse_line(to_line(fault)) == fault


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("name", scenarios())
def test_each_scenario_changes_answers_of_each_vendor(name: str, vendor: str) -> None:
    """A client that lists, creates, updates, looks and verifies meets it, and it can be switched off."""
    clock = [1_700_000_000.0]
    session = MockSession([VENDORS[vendor]], lambda vendor: from_vendor(vendor, clock=lambda: clock[0]))
    mock = session.mocks[vendor]
    switch_on(session.faults, name)

    def ask(request: Request) -> None:
        clock[0] += 0.1
        with suppress(TargetError):
            mock(request)

    for number in range(ROUNDS):
        for operation in VENDORS[vendor].contract.operations:
            if operation.method != "DELETE":
                ask(request_of(VENDORS[vendor], operation))
        with suppress(TargetError):
            Client(VENDORS[vendor], mock).create(f"fault-{number}")
    assert any(fault.used for fault in session.faults.entries())
    assert all(fault.scenario == name for fault in session.faults.entries())
    session.faults.clear(name)
    assert not session.faults.any
    assert Client(VENDORS[vendor], mock).listed()


def test_a_scenario_is_on_once() -> None:
    """To switch it on again begins it anew; other faults stay."""
    session = MockSession(VENDORS.values())
    session.faults.add(parse_line("*: delay=1"))
    switch_on(session.faults, "lost-answer")
    switch_on(session.faults, "lost-answer")
    assert [fault.scenario for fault in session.faults.entries()] == ["", "lost-answer"]
    session.faults.clear("lost-answer")
    assert [fault.line for fault in session.faults.entries()] == ["*: delay=1"]


def test_an_unknown_scenario_is_refused() -> None:
    """The sentence says what was meant, or what there is."""
    with pytest.raises(UsageError, match="'lost-awnser' is no scenario; did you mean lost-answer"):
        scenario("lost-awnser")
    with pytest.raises(UsageError, match="'x' is no scenario; there are: broken-network, clock-skew, "):
        scenario("x")


def test_paging_ends_with_a_revoked_token() -> None:
    """Two pages are there, the third is refused, as the page of the vendor says."""
    session = MockSession([VENDORS["telepath"]])
    switch_on(session.faults, "token-revoked")
    client = Client(VENDORS["telepath"], session.mocks["telepath"])
    pages = [client.ask("GET", "/trunks", query=f"limit=2&offset={offset}") for offset in (0, 2, 4)]
    assert [page.status for page in pages] == [200, 200, 401]
    assert pages[2].json()["error"]["code"] == "INVALID_API_KEY"


def test_the_documentation_lists_them() -> None:
    """docs/mock.md has each scenario with its two sentences."""
    text = (Path(__file__).parents[3] / "docs" / "mock.md").read_text("utf-8")
    rows = [f"| `{one.name}` | {one.summary} | {one.client} |" for one in scenarios().values()]
    assert "\n".join(rows) in text, "put these lines into docs/mock.md:\n" + "\n".join(rows)


def test_the_lines_and_the_file_in_the_documentation_are_right(tmp_path: Path) -> None:
    """docs/mock.md shows faults that the shipped mocks take."""
    text = (Path(__file__).parents[3] / "docs" / "mock.md").read_text("utf-8")
    table, file = text.partition("| line | meaning |")[2], text.partition("```toml\nfaults = [")[2]
    lines = re.findall(r"^\| `(.*?)` \|", table.partition("\n\n")[0], re.MULTILINE)
    path = tmp_path / "faults.toml"
    path.write_text(f"faults = [{file.partition('```')[0]}")
    added = MockSession(VENDORS.values()).faults.add(*map(parse_line, lines), *load_faults(path))
    assert [fault.line for fault in added][: len(lines)] == lines
    assert len(lines) > 5


def test_the_documentation_has_every_word() -> None:
    """docs/mock.md explains each key of a fault."""
    text = (Path(__file__).parents[3] / "docs" / "mock.md").read_text("utf-8")
    assert [name for name in FIELDS if f"{name.replace('_', '-')}" not in text] == []
