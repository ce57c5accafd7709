"""Tests of `trunkline.transport.connect`.

The same words mean the same target, and no sentence quotes a credential.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from trunkline.errors import BudgetExhausted, DataError, TargetError, UsageError
from trunkline.exchange import Request
from trunkline.mock.loader import Vendor
from trunkline.redaction import redactor
from trunkline.transport.connect import (
    Connection,
    connect,
    credential,
    import_application,
    known_parameters,
    redacting_errors,
    secret_values,
    with_second_account,
)

TOKEN = "tok_0123456789"
EMPTY: Mapping[str, str] = {}


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Writes a module into the current directory and gives its name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    written: list[str] = []

    def write(source: str) -> str:
        written.append(f"aimed_{len(written)}_{tmp_path.name.replace('-', '_')}")
        (tmp_path / f"{written[-1]}.py").write_text(source)
        return written[-1]

    return write


def ask(aimed: Connection, path: str) -> int:
    """The status of the answer to a request with the credential."""
    fields = (("authorization", f"Bearer {aimed.credential}"),) if aimed.credential else ()
    return aimed.target(Request("GET", path, "", fields)).status


def test_nothing_given_is_the_built_in_mock(vendor: Vendor) -> None:
    """With the world's token, its ids and its secrets."""
    aimed = connect(vendor, environ=EMPTY)
    assert aimed.credential == vendor.world.token
    assert aimed.base == f"http://127.0.0.1:8900{vendor.contract.base_path}"
    reading = [operation for operation in vendor.contract.operations if operation.reads]
    assert len(reading) >= 3
    for operation in reading:
        path = operation.path
        for name, value in aimed.parameters.items():
            path = path.replace(f"{{{name}}}", value)
        assert ask(aimed, path) == 200
    assert aimed.parameters == known_parameters(vendor)
    assert aimed.secret_values == secret_values(vendor)
    assert set(aimed.secret_values) <= aimed.secrets


def test_the_budget_and_the_address_are_kept(vendor: Vendor) -> None:
    """A budget counts every request; an address is shown as it is asked."""
    aimed = connect(vendor, max_requests=1, environ=EMPTY)
    ask(aimed, "/")
    with pytest.raises(BudgetExhausted):
        ask(aimed, "/")
    aimed = connect(vendor, url="http://127.0.0.1:1/x/", token=TOKEN, environ=EMPTY)
    assert (aimed.base, aimed.credential) == ("http://127.0.0.1:1/x", TOKEN)
    assert TOKEN in aimed.secrets
    assert not aimed.parameters
    assert TOKEN not in repr(aimed)
    with pytest.raises(UsageError, match="two implementations"):
        connect(vendor, url="http://127.0.0.1:1", app="a:b", environ=EMPTY)


def test_a_credential_is_found_in_order(tmp_path: Path) -> None:
    """The one given, then the file, then the environment."""
    file = tmp_path / "token"
    file.write_text(f"\ufeff{TOKEN}\n")
    environ = {"TRUNKLINE_TOKEN": "from_environ"}
    assert credential("given", None, environ) == "given"
    assert credential(None, str(file), environ) == TOKEN
    assert credential(None, None, environ) == "from_environ"
    assert credential(None, None, EMPTY) is None


@pytest.mark.parametrize("token", ["", "Bearer hush", "hush hush", "hush\n", "h\u00fcsh"])
def test_an_impossible_credential_is_refused_unquoted(token: str) -> None:
    """The sentence says what is wrong and not with what."""
    with pytest.raises(UsageError, match=r"^the token (is empty|begins|holds)") as caught:
        credential(token, None, EMPTY)
    assert "hush" not in str(caught.value)


def test_a_token_file_can_be_wrong(tmp_path: Path) -> None:
    """Absent, empty, of two lines, or one of two credentials."""
    file = tmp_path / "token"
    with pytest.raises(UsageError, match="no such file"):
        credential(None, str(file), EMPTY)
    file.write_text("\n")
    with pytest.raises(UsageError, match="is empty"):
        credential(None, str(file), EMPTY)
    file.write_text("hush\nhush\n")
    with pytest.raises(UsageError, match="line breaks") as caught:
        credential(None, str(file), EMPTY)
    assert "hush" not in str(caught.value)
    with pytest.raises(UsageError, match="two credentials"):
        credential("a", str(file), EMPTY)


def test_an_application_is_imported_from_the_current_directory(vendor: Vendor, module: Any) -> None:
    """And asked in process, below the vendor's base path."""
    name = module(
        "import trunkline\nfrom trunkline import mock\nfrom trunkline.transport import asgi\n"
        f"vendor = trunkline.load({vendor.name!r})\n"
        "class holder:\n"
        "    app = staticmethod(asgi.application(mock.from_vendor(vendor), base=vendor.contract.base_path))\n"
    )
    aimed = connect(vendor, app=f"{name}:holder.app", token=vendor.world.token, environ=EMPTY)
    assert aimed.base == f"http://localhost{vendor.contract.base_path}"
    path = vendor.contract.operations[0].path
    for parameter, value in known_parameters(vendor).items():
        path = path.replace(f"{{{parameter}}}", value)
    assert ask(aimed, path) == 200


def test_an_application_goes_on_with_its_own_random_numbers(
    vendor: Vendor, module: Any, request: pytest.FixtureRequest
) -> None:
    """Hypothesis seeds them for each example: ids that the application makes would come again."""
    request.addfinalizer(partial(random.setstate, random.getstate()))
    name = module(
        "import random\nrandom.seed(1)\n"
        "async def app(scope, receive, send):\n"
        "    await send({'type': 'http.response.start', 'status': random.randrange(200, 600), 'headers': []})\n"
        "    await send({'type': 'http.response.body', 'body': b''})\n"
    )
    aimed = connect(vendor, app=f"{name}:app", environ=EMPTY)
    statuses = set()
    for _ in range(3):
        random.seed(0)
        seeded = random.getstate()
        statuses.add(ask(aimed, "/"))
        assert random.getstate() == seeded
    assert len(statuses) == 3


def test_a_directory_that_is_gone_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing current directory is reported in one sentence, since no module can be imported from it."""
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(UsageError, match="the current directory is gone"):
        import_application("main:app")


def test_bounds_hold_for_every_target(vendor: Vendor) -> None:
    """The built-in mock needs no timeout and no rate, and yet refuses those that nothing could keep."""
    for timeout in (0, 1e308, float("nan"), float("inf")):
        with pytest.raises(UsageError, match="a timeout of"):
            connect(vendor, timeout=timeout, environ=EMPTY)
    with pytest.raises(UsageError, match="a rate of"):
        connect(vendor, rate=1e-300, environ=EMPTY)


def test_a_trouble_is_reported_without_the_secrets_of_an_aim() -> None:
    """Whatever its kind, and whatever the implementation echoed."""
    for trouble in (TargetError(f"no {TOKEN}"), BudgetExhausted(TOKEN), DataError(TOKEN, "", "x")):
        with pytest.raises(type(trouble), match=r"\*\*\*") as caught, redacting_errors(redactor(frozenset({TOKEN}))):
            raise trouble
        assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("spec", ["", "main", "main:", ":app"])
def test_a_name_that_names_no_application_is_refused(spec: str) -> None:
    """It is written as module:attribute."""
    with pytest.raises(UsageError, match="module:attribute"):
        import_application(spec)


def test_every_trouble_with_an_application_is_a_sentence(module: Any) -> None:
    """No module, no attribute, a failing import, something that is no ASGI application."""
    with pytest.raises(UsageError, match="there is no module nowhere_at_all here"):
        import_application("nowhere_at_all:app")
    with pytest.raises(UsageError, match="has no app"):
        import_application(f"{module('')}:app")
    for source, kind in (
        ("raise ValueError('hush')", "ValueError"),
        ("import not_there_either", "ModuleNotFoundError"),
        ("raise SystemExit", "SystemExit"),
        ("(", "SyntaxError"),
    ):
        with pytest.raises(UsageError, match=rf"fails when it is imported \({kind}\)") as caught:
            import_application(f"{module(source)}:app")
        assert "hush" not in str(caught.value)
    for source in ("app = 3", "def app(environ, start_response): ...", "def app(): ..."):
        with pytest.raises(UsageError, match="is not an ASGI application"):
            import_application(f"{module(source)}:app")


def test_the_second_account_is_another_one(vendor: Vendor) -> None:
    """Its credential is a secret of the connection; the built-in mock has one, and ignores the environment's."""
    live = connect(vendor, url="http://127.0.0.1:9/v1", token=TOKEN, environ=EMPTY)
    assert with_second_account(live, vendor, environ=EMPTY).second is None
    both = with_second_account(live, vendor, environ={"TRUNKLINE_SECOND_TOKEN": "tok_other"})
    assert (both.second, "tok_other" in both.secrets, both.credential) == ("tok_other", True, TOKEN)
    with pytest.raises(UsageError, match="the second token is the first: give the credential of another account"):
        with_second_account(live, vendor, second_token=TOKEN, environ=EMPTY)
    built_in = connect(vendor, environ=EMPTY)
    second = with_second_account(built_in, vendor, environ={"TRUNKLINE_SECOND_TOKEN": "tok_other"}).second
    assert second is not None
    assert vendor.world.tokens[second].account != vendor.world.account
