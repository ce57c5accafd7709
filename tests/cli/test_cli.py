"""What the command line promises: exit codes, one sentence for every trouble, and never a secret."""

from __future__ import annotations

import gc
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from fnmatch import fnmatch
from itertools import count
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

import trunkline
from tests.servers import serving, start
from trunkline import cli, mock
from trunkline.check import runner
from trunkline.check.laws import LAWS
from trunkline.check.rules import RULES
from trunkline.contract import folders
from trunkline.contract.export import document as document_of
from trunkline.errors import TargetError
from trunkline.exchange import Json, Request, Response
from trunkline.mock import loader
from trunkline.mock.loader import Vendor
from trunkline.settings import OPTIONS
from trunkline.transport import connect, server, targets

VENDORS = folders.names()
TOKEN = "tok_hush_0123456789"
SCHEMA = json.loads((Path(trunkline.__file__).parent / "report/report.schema.json").read_text("utf-8"))
COMMANDS = ("serve", "reset", "check", "validate", "export", "rules")

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(params=VENDORS)
def vendor(request: pytest.FixtureRequest) -> Vendor:
    """Each vendor in turn."""
    return loader.load(request.param)


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command in this process: code, standard output, standard error."""
    for name in ("TRUNKLINE_TOKEN", "TRUNKLINE_DEBUG"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str) -> tuple[int, str, str]:
        code = cli.run(arguments)
        out, err = capfd.readouterr()
        return code, out, err

    return run


def sentence(err: str) -> str:
    """The one sentence on standard error."""
    assert re.fullmatch(r"trunkline: [^\n]+\n", err), err
    return err


def response(vendor: Vendor) -> tuple[int, bytes, bytes]:
    """What the mock answers to the first operation: status, `curl -i` and the body alone."""
    operation = vendor.contract.operations[0]
    path = operation.path
    for name, value in connect.known_parameters(vendor).items():
        path = path.replace(f"{{{name}}}", value)
    said = mock.from_vendor(vendor)(Request("GET", path, "", (("authorization", f"Bearer {vendor.world.token}"),)))
    head = b"".join(f"{name}: {value}\r\n".encode() for name, value in said.headers)
    return said.status, b"HTTP/1.1 200 OK\r\n" + head + b"\r\n" + said.body, said.body


def document(out: str) -> Json:
    """The report on standard output, which obeys its schema."""
    value = json.loads(out)
    jsonschema_rs.Draft202012Validator(SCHEMA).validate(value)
    return value


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vendor: Vendor) -> str:
    """An application that is the mock but for its bodies, which are empty objects."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    name = f"broken_{vendor.name}_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(
        "from dataclasses import replace\n"
        "import trunkline\n"
        "from trunkline import mock\n"
        "from trunkline.transport import asgi\n"
        f"vendor = trunkline.load({vendor.name!r})\n"
        "good = mock.from_vendor(vendor)\n"
        "def bad(request):\n"
        "    said = good(request)\n"
        "    return replace(said, body=b'{}') if said.status == 200 else said\n"
        "app = asgi.application(bad, base=vendor.contract.base_path)\n"
    )
    return f"{name}:app"


# --- help -----------------------------------------------------------------------------------------------------------


def test_version_and_help_are_well(run: Run) -> None:
    """The version is the package's; help names each command."""
    assert run("--version") == (0, f"trunkline {trunkline.__version__}\n", "")
    code, out, err = run("--help")
    assert (code, err) == (0, "")
    for command in COMMANDS:
        assert f"\n  {command} " in out


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help_with_an_example_and_the_vendors(run: Run, command: str) -> None:
    """The example stands on one line, to be copied."""
    code, out, err = run(command, "--help")
    assert (code, err) == (0, "")
    assert re.search(rf"\nExample:\n  .*trunkline {command}\b[^\n]*\n", out)
    assert f"\nVendors:\n  {', '.join(VENDORS)}\n" in out


def test_no_command_is_help_with_code_2(run: Run) -> None:
    """The help goes to standard error, since nothing was done."""
    code, out, err = run()
    assert (code, out) == (2, "")
    assert "Usage: trunkline [OPTIONS] [COMMAND]" in err
    assert "serve " in err


def test_help_imports_nothing_that_takes_time() -> None:
    """`trunkline --help` and `--version` are there at once."""
    code = "import sys; from trunkline.cli import run; run(['--help']); print(*sys.modules)"
    environ = {**os.environ, "PYTHONPATH": str(Path(trunkline.__file__).parents[1])}
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environ)
    modules = set(loaded.stdout.split())
    slow = {"rich", "schemathesis", "hypothesis", "starlette", "uvicorn", "jsonschema_rs", "asyncio", "pytest"}
    assert not slow & modules


def test_the_default_port_is_the_one_that_reports_speak_of() -> None:
    """The curl commands of a check of the built-in mock work against `trunkline serve`."""
    assert OPTIONS["port"].default == connect.PORT


# --- troubles -------------------------------------------------------------------------------------------------------

TROUBLES = {
    ("frob",): "no such command",
    ("serv",): "Did you mean 'serve'? See trunkline --help",
    ("check",): "missing argument 'VENDOR'",
    ("check", "nope"): "'nope' is not a vendor; there are: ",
    ("check", "{vendor}", "more", TOKEN): "more arguments than this command takes",
    ("check", "{vendor}", "--frob"): "no such option",
    ("check", "{vendor}", "--seed", "x"): "--seed is not a whole number",
    ("check", "{vendor}", "--strictness", "decision"): "--strictness is not documented, implied or customary",
    ("check", "{vendor}", "--token"): "option '--token' requires an argument",
    ("check", "{vendor}", "--token", "Bearer hush"): "the token begins with 'Bearer'",
    ("check", "{vendor}", "--token", "hush hush"): "the token holds spaces",
    ("check", "{vendor}", "--token", TOKEN, "--token-file", "x"): "two credentials",
    ("check", "{vendor}", "--token-file", "not/there"): "there is no such file",
    ("check", "{vendor}", "--operation", "frob"): "'frob' is not an operation of",
    ("check", "{vendor}", "--param", "hush"): "--param is not a name, an equals sign and a value, all in UTF-8",
    ("check", "{vendor}", "--param", "hush=1"): "--param names no parameter that can be given here: ",
    (
        "validate",
        "telepath",
        "listTrunks",
        "--live",
        "--param",
        "limit=\udcff",
    ): "--param is not a name, an equals sign and a value, all in UTF-8",
    ("check", "talkover", "--param", "trunk_id=\udcff"): "a value, all in UTF-8",
    ("check", "{vendor}", "--timeout", "1e10"): "--timeout is not a number above 0, at most 86400",
    ("check", "{vendor}", "--timeout", "nan"): "--timeout is not a number above 0, at most 86400",
    ("check", "{vendor}", "--timeout", "x"): "--timeout is not a number above 0, at most 86400",
    (
        "validate",
        "talkover",
        "getHealth",
        "--live",
        "--timeout",
        "inf",
    ): "--timeout is not a number above 0, at most 86400",
    ("validate", "{vendor}", "--live"): "has several operations; name one of: ",
    (
        "validate",
        "talkover",
        "deleteSipTrunk",
        "--live",
    ): "deleteSipTrunk may change something; only what reads is asked",
    ("validate", "telepath", "createTrunk", "--live"): "createTrunk may change something; only what reads is asked",
    ("validate", "talkover", "listSipTrunks", "--live", "--param", "limit=1"): "there is none to give",
    (
        "validate",
        "telepath",
        "getCall",
        "--live",
        "--param",
        "limit=1",
    ): "--param names no parameter that can be given here",
    ("check", "{vendor}", "--rate", "1e-300"): "--rate is not a number, at least 0.00028",
    ("check", ""): "'' is not a vendor; there are: ",
    ("check", ".."): "'..' is not a vendor; there are: ",
    ("check", "/etc"): "'/etc' is not a vendor; there are: ",
    ("check", "{vendor}/"): "/' is not a vendor; there are: ",
    ("check", "{vendor}", "--url", "localhost"): "the base address does not begin with http",
    ("check", "{vendor}", "--url", "http://127.0.0.1:1", "--token", TOKEN): "127.0.0.1:1 refuses connections",
    ("check", "{vendor}", "--url", "http://h", "--app", "a:b"): "two implementations",
    ("check", "{vendor}", "--allow-writes", "--dry-run", "--format", "json"): "--dry-run prints plain lines",
    ("check", "{vendor}", "--allow-writes", "--dry-run", "--second-token-file", "not/there"): "there is no such file",
    ("check", "{vendor}", "--allow-writes", "--second-token", TOKEN): "answers the second credential with 401",
    ("check", "{vendor}", "--allow-writes", "--url", "http://127.0.0.1:1", "--journal", ""): "name another file",
    ("check", "{vendor}", "--app", "frob"): "does not name an application",
    ("check", "{vendor}", "--app", "frob:app"): "there is no module frob here",
    ("validate", "{vendor}"): "name one SOURCE",
    ("validate", "{vendor}", "a", "b", "c"): "name one SOURCE",
    ("validate", "{vendor}", "not/there"): "there is no such file",
    ("validate", "{vendor}", ""): "the source has no name",
    ("validate", "{vendor}", "/"): "it is a directory",
    ("validate", "{vendor}", "frob", "-"): "'frob' is not an operation of",
    ("validate", "{vendor}", "-", "--url", "http://h"): "--url is about asking",
    ("validate", "{vendor}", "frob", "--live"): "'frob' is not an operation of",
    ("validate", "{vendor}", "a", "b", "--live"): "with --live there is no SOURCE",
    ("export", "nope"): "'nope' is not a vendor",
    ("export", "{vendor}", "--url", "http://user:hush@h/"): "the base address holds a user name",
    ("export", "{vendor}", "--url", ""): "the base address does not begin with http",
    ("export", "{vendor}", "-o", "/"): "cannot be written: is a directory",
    ("export", "{vendor}", "-o", "no/such/folder"): "cannot be written: no such file or directory",
    ("export", "{vendor}", "-o", "a\0b"): "cannot be written: it is no file name",
    ("serve", "nope"): "'nope' is not a vendor",
    ("serve", "--port", "65536"): "--port is not a whole number from 0 to 65535",
    ("serve", "--fixtures", "not/there"): "is not a folder",
    ("serve", "--host", "203.0.113.7"): "203.0.113.7 is not an address of this machine",
    ("serve", "--host", ""): "the host '' is unknown",
    ("serve", "--host", "a" * 64 + ".example"): "is unknown; choose an address of this machine",
}


@pytest.mark.parametrize("arguments", TROUBLES, ids=" ".join)
def test_every_trouble_is_one_sentence(run: Run, arguments: tuple[str, ...]) -> None:
    """On standard error, with code 2, nothing on standard output, and no piece of a credential."""
    code, out, err = run(*(argument.replace("{vendor}", VENDORS[0]) for argument in arguments))
    assert (code, out.partition("{")[0]) == (2, "")
    *_, last = err.splitlines()
    assert (last.startswith("trunkline: "), err.count("trunkline: ")) == (True, 1)
    assert TROUBLES[arguments] in last
    assert "hush" not in out + err
    assert "Traceback" not in err


LONG = "9" * 5000
ENDLESS = {
    ("check", LONG): "999…9' is not a vendor; there are: ",
    ("check", "{vendor}", "--seed", LONG): "--seed is not a whole number",
    ("check", "{vendor}", "--seed", "9 " * 5000): "--seed is not a whole number",
    ("check", "{vendor}", "--param", f"{LONG}=1"): "names no parameter",
    ("serve", "--host", LONG): "999…9' is unknown; choose an address of this machine",
    (LONG,): "no such command ",
}


@pytest.mark.parametrize("arguments", ENDLESS, ids=[" ".join(words)[:24] for words in ENDLESS])
def test_no_sentence_is_too_long_to_be_read(run: Run, arguments: tuple[str, ...]) -> None:
    """What was given is cut; what to do about it is not."""
    code, out, err = run(*(argument.replace("{vendor}", VENDORS[0]) for argument in arguments))
    assert (code, out) == (2, "")
    assert ENDLESS[arguments] in sentence(err)
    assert len(err) < 1100


@pytest.mark.parametrize(
    ("redirection", "code", "told"),
    [
        ("1>&-", 2, "trunkline: standard output is closed; open it, or send it to a file\n"),
        ("1>/dev/full", 2, "trunkline: standard output cannot be written: no space left on device; send it to *\n"),
        ("2>&-", 0, ""),
        ("2>/dev/full", 0, ""),
    ],
)
@pytest.mark.parametrize("command", ["rules", "export {vendor}", "--help"])
def test_an_output_that_takes_nothing_is_a_sentence(redirection: str, code: int, told: str, command: str) -> None:
    """It is the caller's, and no bug of ours; what goes to standard error may be lost."""
    words = f"exec {sys.executable} -m trunkline.cli {command.format(vendor=VENDORS[0])} {redirection}"
    environ = {**os.environ, "PYTHONPATH": str(Path(trunkline.__file__).parents[1])}
    ended = subprocess.run(["bash", "-c", words], capture_output=True, text=True, check=False, env=environ)
    assert ended.returncode == code
    assert fnmatch(ended.stderr, told)


def test_a_trouble_that_nobody_can_hear_is_told_by_its_code() -> None:
    """Also where standard error is full or closed."""
    for redirection in ("2>&-", "2>/dev/full"):
        words = f"exec {sys.executable} -m trunkline.cli frob {redirection}"
        environ = {**os.environ, "PYTHONPATH": str(Path(trunkline.__file__).parents[1])}
        assert subprocess.run(["bash", "-c", words], check=False, env=environ).returncode == 2


def test_a_parameter_that_must_be_known_is_asked_for(run: Run) -> None:
    """An item of an implementation that is not the mock can only be asked for by its id."""
    asked = 0
    for name in VENDORS:
        for operation in loader.load(name).contract.operations:
            named = [parameter.name for parameter in operation.parameters if parameter.location == "path"]
            if named and operation.reads:
                code, _, err = run("validate", name, operation.operation_id, "--live", "--url", "http://127.0.0.1:1")
                assert code == 2
                assert f"give it with --param {named[0]}=..." in sentence(err)
                asked += 1
    assert asked >= len(VENDORS)


def test_what_nobody_expected_is_called_a_bug(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the name of its class only; TRUNKLINE_DEBUG shows where it is."""

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError(TOKEN)

    monkeypatch.setattr(loader, "load", fail)
    code, out, err = run("export", VENDORS[0])
    assert (code, out) == (2, "")
    assert "ZeroDivisionError was not expected; this is a bug in trunkline" in sentence(err)
    assert TOKEN not in err
    monkeypatch.setenv("TRUNKLINE_DEBUG", "1")
    assert "Traceback" in run("export", VENDORS[0])[2]


def test_an_interruption_ends_with_130(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """And with a word, not with a traceback."""

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(loader, "load", stop)
    assert run("export", VENDORS[0]) == (130, "", "trunkline: interrupted\n")


@pytest.mark.parametrize("url", ["", "localhost", "ftp://h/", "http://user:hush@h/", "http://h/\nx", "http://h:port"])
def test_an_impossible_server_is_refused_by_export(run: Run, vendor: Vendor, url: str) -> None:
    """As an address to check is: with a sentence that does not quote it."""
    code, out, err = run("export", vendor.name, "--url", url)
    assert (code, out) == (2, "")
    assert "the base address " in err
    assert "write it like https://api.example.com/v1" in " ".join(err.split())
    assert "hush" not in err


def test_a_pipe_that_is_closed_is_no_trouble() -> None:
    """`trunkline export ... | head -1` says nothing of it."""
    with start("export", VENDORS[0]) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 141


def test_a_terminal_that_cannot_show_a_letter_ends_no_run(tmp_path: Path, vendor: Vendor) -> None:
    """Escapes stand in for what ASCII has not, in JSON those of JSON."""
    ascii_only = {"PYTHONIOENCODING": "ascii"}
    out, err = start("export", vendor.name, environ=ascii_only).communicate(timeout=60)
    assert (err, out.isascii()) == ("", True)
    assert json.loads(out) == document_of(vendor.contract, examples=vendor.example_ids)
    (tmp_path / "body").write_text('{"é": 1}')
    arguments = ("validate", vendor.name, vendor.contract.operations[0].operation_id, str(tmp_path / "body"))
    out, err = start(*arguments, environ=ascii_only).communicate(timeout=60)
    assert ("\\xe9" in out, err) == (True, "")


# --- check ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow_for("telepath")
def test_the_built_in_mock_keeps_the_contract(run: Run, vendor: Vendor) -> None:
    """Code 0, every documented answer told, and everything exercised that only reads."""
    code, out, err = run("check", vendor.name, "--seed", "5", "--examples", "3", "--format", "json")
    assert (code, err) == (0, "")
    told = document(out)
    assert (told["verdict"], told["seed"], told["complete"]) == ("kept", 5, True)
    assert told["findings"] == []
    assert told["requests"] > 10
    reading = {operation.operation_id for operation in vendor.contract.operations if operation.reads}
    assert {each["operation"] for each in told["reached"]} == reading
    silent = [each for each in told["not_exercised"] if "it writes" not in each["reason"]]
    assert silent == []
    laws = {law.name for law in LAWS} | {"schemathesis"}
    assert not [each for each in told["not_exercised"] if each["operation"] in reading and each["check"] in laws]
    written = {each["operation"] for each in told["not_exercised"] if each["check"] == "schemathesis"}
    assert written == {operation.operation_id for operation in vendor.contract.operations} - reading


def test_a_finding_ends_with_1_and_is_shown_with_its_command(run: Run, vendor: Vendor, broken: str) -> None:
    """In text: what, where, why, how often, and how to ask again, without the credential."""
    arguments = ("check", vendor.name, "--app", broken, "--token", vendor.world.token, "--examples", "2")
    params = [f"--param={name}={value}" for name, value in connect.known_parameters(vendor).items()]
    code, out, err = run(*arguments, *params, "--seed", "9", "--max-requests", "60")
    assert code == 1
    assert "FINDING documented body_matches_schema" in out
    assert "$TRUNKLINE_TOKEN" in out
    assert "NOT EXERCISED" in out
    assert "the budget of 60 requests is spent" in out
    assert f"the contract of {vendor.name} is BROKEN" in out
    assert "seed 9" in out
    assert err.startswith(f"checking {vendor.name} at {broken} in process (its curl lines want it served at ")
    assert f"http://localhost{vendor.contract.base_path}), seed 9\n" in err
    assert vendor.world.token not in out + err
    code, out, _ = run(*arguments, *params, "--first", "--format", "json")
    told = document(out)
    assert (code, told["verdict"]) == (1, "broken")
    assert told["requests"] <= 2
    assert any("--first" in each["reason"] for each in told["not_exercised"])


def test_a_wrong_token_is_not_well(run: Run, vendor: Vendor) -> None:
    """Nothing can be judged without a good credential: one sentence, no verdict, code 2; the token is nowhere."""
    code, out, err = run("check", vendor.name, "--token", TOKEN, "--max-requests", "20", "--examples", "1")
    assert code == 2
    assert out == ""
    assert "refuses the credential with 401" in err.splitlines()[-1]
    assert "hush" not in out + err


@pytest.mark.slow
def test_a_dry_run_is_like_the_run(run: Run, vendor: Vendor) -> None:
    """It writes as often, but for what is drawn from new names; it sends nothing, and prints no secret."""
    words = ("check", vendor.name, "--allow-writes", "--seed", "3", "--examples", "2")
    code, told, err = run(*words, "--dry-run", "--url", "http://127.0.0.1:1", "--leave", "1000")
    assert (code, err) == (0, "")
    lines = told.splitlines()
    found = re.fullmatch(r"(\d+) requests that write, (\d+) that only read; nothing was sent", lines[-1])
    assert found is not None
    assert int(found[1]) == len(lines) - 1 > 100
    assert "trunkline-check-" in lines[0]
    assert not any(re.search(rf'"{name}": "(?!\*\*\*)', line) for line in lines for name in vendor.contract.secrets)
    really = document(run(*words, "--format", "json")[1])["requests"]
    assert abs(int(found[1]) + int(found[2]) - really) < really / 10


def test_a_budget_that_shows_too_little_is_told(run: Run, vendor: Vendor) -> None:
    """The sentence speaks of the budget, and not of the token; so it does where no page tells how to remove."""
    code, _, err = run("check", vendor.name, "--max-requests", "1")
    assert (code, "the budget of 1 requests is spent" in err, "token" in err) == (2, True, False)


def test_nothing_made_since_nothing_may_stay_is_told(run: Run) -> None:
    """With the option that allows it, instead of a guess."""
    code, _, err = run("check", "telepath", "--allow-writes", "--leave", "0", "--examples", "2")
    assert code == 2
    assert "allow some to stay with --leave" in err.splitlines()[-1]


def test_strictness_decides_what_fails(run: Run, vendor: Vendor, broken: str) -> None:
    """A weaker sentence is a note under a stricter eye, and the JSON tells which is which."""
    arguments = ("check", vendor.name, "--app", broken, "--token", vendor.world.token, "--first", "--format", "json")
    params = [f"--param={name}={value}" for name, value in connect.known_parameters(vendor).items()]
    told = document(run(*arguments, *params, "--strictness", "documented", "--examples", "1")[1])
    assert all(found["fails"] == (found["grade"] == "documented") for found in told["findings"])


def test_the_token_is_taken_from_the_environment(run: Run, vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the help says."""
    monkeypatch.setenv("TRUNKLINE_TOKEN", "hush hush")
    url = f"http://127.0.0.1:1{vendor.contract.base_path}"
    assert "the token in $TRUNKLINE_TOKEN holds spaces" in sentence(run("check", vendor.name, "--url", url)[2])


def test_an_interrupted_check_tells_what_was_found(run: Run, vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Code 130, and the report says that it is not complete."""

    def stop(*_: object, progress: Callable[[str], None], **__: object) -> None:
        progress("somewhere")
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "check", stop)
    code, out, _ = run("check", vendor.name, "--format", "json")
    assert (code, document(out)["complete"]) == (130, False)
    code, out, err = run("check", vendor.name)
    assert code == 130
    assert "the run did not come to its end" in out
    assert "somewhere\n" in err


def test_a_bug_in_a_check_hides_nothing_that_was_found(
    run: Run, vendor: Vendor, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report so far comes first, then the sentence that calls it a bug."""
    from trunkline.check.runner import Checker  # noqa: PLC0415

    def fail(*_: object) -> None:
        raise ZeroDivisionError(TOKEN)

    monkeypatch.setattr(Checker, "fuzz", fail)
    params = [f"--param={name}={value}" for name, value in connect.known_parameters(vendor).items()]
    code, out, err = run("check", vendor.name, "--app", broken, "--token", vendor.world.token, *params)
    assert code == 2
    assert "the run did not come to its end" in out
    assert f"the contract of {vendor.name} is BROKEN" in out
    assert "ZeroDivisionError was not expected" in err.splitlines()[-1]
    assert TOKEN not in out + err


def test_a_trouble_that_echoes_the_credential_does_not_print_it(
    run: Run, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever an implementation has a sentence say, in a whole check and in one live question."""

    def echo(_: Request) -> Response:
        raise TargetError(f"answered {TOKEN}")

    monkeypatch.setattr(mock, "from_vendor", lambda _: echo)
    operation = vendor.contract.operations[0].operation_id
    for command in (("check", vendor.name), ("validate", vendor.name, operation, "--live")):
        code, _, err = run(*command, "--token", TOKEN)
        assert (code, err.splitlines()[-1]) == (2, "trunkline: answered ***")


# --- validate -------------------------------------------------------------------------------------------------------


def test_a_saved_answer_is_valid(run: Run, vendor: Vendor, tmp_path: Path) -> None:
    """With headers all but the request is known; a body alone leaves more unsaid."""
    _, whole, body = response(vendor)
    (tmp_path / "whole").write_bytes(whole)
    (tmp_path / "body").write_bytes(body)
    code, out, err = run("validate", vendor.name, str(tmp_path / "whole"))
    assert (code, err) == (0, "")
    assert "the request is not known" in out
    assert "the status" not in out
    code, out, _ = run("validate", vendor.name, str(tmp_path / "body"), "--format", "json")
    told = document(out)
    assert (code, told["verdict"], told["seed"], told["base"]) == (0, "kept", None, "")
    assert {"the status is not known"} <= {each["reason"] for each in told["not_exercised"]}


def test_a_broken_answer_is_a_finding(run: Run, vendor: Vendor, tmp_path: Path) -> None:
    """Code 1, also where the body is no JSON at all; without a request there is no command to show."""
    for body in (b"", b"{", b'{"x": NaN}'):
        (tmp_path / "body").write_bytes(body)
        code, out, err = run(
            "validate", vendor.name, vendor.contract.operations[0].operation_id, str(tmp_path / "body")
        )
        assert (code, err) == (1, "")
        assert "body_is_json" in out
        assert "curl" not in out


def test_a_process_substitution_is_a_source_and_a_named_pipe_is_not(run: Run, vendor: Vendor, tmp_path: Path) -> None:
    """The shell's own pipe has a writer; one in a folder may never have any."""
    (tmp_path / "whole").write_bytes(response(vendor)[1])
    words = f"exec {sys.executable} -m trunkline.cli validate {vendor.name} <(cat {tmp_path}/whole)"
    environ = {**os.environ, "PYTHONPATH": str(Path(trunkline.__file__).parents[1])}
    assert subprocess.run(["bash", "-c", words], check=False, env=environ, capture_output=True).returncode == 0
    os.mkfifo(tmp_path / "pipe")
    code, _, err = run("validate", vendor.name, str(tmp_path / "pipe"))
    assert (code, "is a named pipe" in sentence(err)) == (2, True)


def test_standard_input_is_a_source(vendor: Vendor) -> None:
    """`curl -i ... | trunkline validate VENDOR -`."""
    process = start("validate", vendor.name, "-", stdin=subprocess.PIPE)
    out, err = process.communicate(response(vendor)[1].decode(), timeout=60)
    assert (process.returncode, err) == (0, "")
    assert "no finding" in out


def test_one_live_answer_is_judged(run: Run, vendor: Vendor) -> None:
    """With the request known, every rule is applied that a plain request provokes."""
    for operation in vendor.contract.operations:
        if operation.reads:
            code, out, _ = run("validate", vendor.name, operation.operation_id, "--live", "--format", "json")
            told = document(out)
            assert (code, told["requests"], told["verdict"]) == (0, 1, "kept")
            assert {each["operation"] for each in told["exercised"]} == {operation.operation_id}
            reasons = {each["reason"] for each in told["not_exercised"]}
            assert reasons <= {"a plain request does not exercise it"}


def test_one_live_answer_that_turns_the_credential_away_is_not_well(run: Run, vendor: Vendor) -> None:
    """It is as the pages say, and tells nothing of what was asked for: whoever watches an API must hear of it."""
    operation = next(found for found in vendor.contract.operations if found.listing)
    arguments = ("validate", vendor.name, operation.operation_id, "--live", "--token", TOKEN)
    code, out, err = run(*arguments)
    asking, said = err.splitlines()
    assert (code, asking) == (2, f"asking {vendor.name} at the built-in mock")
    assert f"{operation.operation_id} refuses the credential with 401: give the right one with --token" in said
    assert "verdict       NOT EXERCISED" in out
    assert document(run(*arguments, "--format", "json")[1])["verdict"] == "not exercised"
    assert "hush" not in out + err


def test_a_wait_is_told(run: Run, vendor: Vendor) -> None:
    """A command that is told to come back later does not look as if it hung."""
    operation = next(found for found in vendor.contract.operations if found.listing)
    fake, asked = mock.from_vendor(vendor), count()

    def busy(request: Request) -> Response:
        return fake(request) if next(asked) % 2 else Response(429, (("retry-after", "0.01"),))

    base = vendor.contract.base_path
    with server.running(server.asgi({base: busy})) as url:
        for command in (("validate", vendor.name, operation.operation_id, "--live"), ("check", vendor.name)):
            limits = () if command[0] == "validate" else ("--max-requests", "3")
            _, _, err = run(*command, "--url", url + base, "--token", vendor.world.token, *limits)
            assert "\nanswered 429: waiting 0.01 s before asking again\n" in err


SENT = {"integer": "1", "date-time": "2024-03-05", "string": "conn_abc123xyz"}


def test_parameters_of_a_live_question_go_where_they_belong(run: Run) -> None:
    """Into the query or into the path, encoded."""
    for name in VENDORS:
        for operation in loader.load(name).contract.operations:
            for parameter in operation.parameters if operation.reads else ():
                schema = parameter.schema
                value = "no/such id" if parameter.location == "path" else SENT[schema.get("format", schema["type"])]
                value = schema["enum"][0] if "enum" in schema else value
                arguments = ("validate", name, operation.operation_id, "--live", "--param", f"{parameter.name}={value}")
                told = document(run(*arguments, "--format", "json")[1])
                expected = 404 if parameter.location == "path" else 200
                assert [each["status"] for each in told["reached"]] == [expected]
                assert told["findings"] == []


# --- export and rules -----------------------------------------------------------------------------------------------


def test_export_writes_the_document(run: Run, vendor: Vendor, tmp_path: Path) -> None:
    """To standard output, or to a file."""
    code, out, err = run("export", vendor.name)
    assert (code, err) == (0, "")
    assert json.loads(out)["servers"] == [{"url": vendor.contract.url}]
    path = tmp_path / "openapi.json"
    assert run("export", vendor.name, "-o", str(path), "--url", "http://h/x") == (0, "", "")
    assert json.loads(path.read_text("utf-8"))["servers"] == [{"url": "http://h/x"}]


def test_rules_lists_every_rule_and_law(run: Run) -> None:
    """With its statement."""
    code, out, err = run("rules")
    assert (code, err) == (0, "")
    for name, statement in [(r.name, r.statement) for r in RULES] + [(law.name, law.statement) for law in LAWS]:
        assert f"\n  {name}\n      {statement}\n" in out


# --- serve ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def served() -> Iterator[Callable[..., tuple[subprocess.Popen[str], Json]]]:
    """Start `trunkline serve`; each server ends with the test."""
    with ExitStack() as stack:
        yield lambda *arguments: stack.enter_context(serving(*arguments))


def test_serve_tells_where_and_how_and_stops_when_asked(served: Any) -> None:
    """The command of each vendor works as it is; each refusal is explained; Ctrl-C is no trouble."""
    process, told = served()
    assert told["trunkline"] == trunkline.__version__
    assert set(told["vendors"]) == set(VENDORS)
    for name, place in told["vendors"].items():
        vendor = loader.load(name)
        assert place["url"] == told["url"] + vendor.contract.base_path
        assert place["token"] == vendor.world.token
        answer = subprocess.run(["bash", "-c", place["curl"]], capture_output=True, text=True, check=True)
        assert " 200 " in answer.stdout.splitlines()[0]
        refused = re.sub(r'-H "[^"]*"', "", place["curl"])
        subprocess.run(["bash", "-c", refused], capture_output=True, check=True)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    assert (process.returncode, out) == (0, "")
    for name, place in told["vendors"].items():
        assert f"\n{name}\n  url    {place['url']}\n  token  {place['token']}\n  try    {place['curl']}\n" in err
    assert err.count("refused: credentials_missing") == len(VENDORS)
    assert "Ctrl-C stops" in err
    assert "warning" not in err


def test_serve_can_be_quiet_and_warns_when_others_can_come(served: Any) -> None:
    """The line for machines is there all the same."""
    process, told = served(VENDORS[0], "--quiet")
    assert list(told["vendors"]) == [VENDORS[0]]
    subprocess.run(
        ["bash", "-c", re.sub(r'-H "[^"]*"', "", told["vendors"][VENDORS[0]]["curl"])], check=True, capture_output=True
    )
    process.terminate()
    assert process.communicate(timeout=10)[1] == ""
    process, told = served("--host", "0.0.0.0")  # noqa: S104 - that is what it is about
    assert told["url"].startswith("http://127.0.0.1:")
    process.terminate()
    assert "warning: 0.0.0.0 lets other machines use the mock" in process.communicate(timeout=10)[1]


def test_serve_takes_fixtures_for_the_vendors_that_they_are_for(served: Any, run: Run, tmp_path: Path) -> None:
    """A vendor without a folder keeps its own records; a folder for nobody is a trouble."""
    code, _, err = run("serve", "--fixtures", str(tmp_path))
    assert (code, "has no folder named" in sentence(err)) == (2, True)
    name = VENDORS[0]
    vendor = loader.load(name)
    [collection, *_] = vendor.world.collections
    identity = vendor.world.collections[collection].identity
    record = {**vendor.world.collections[collection].records[0], identity: "mine-alone"}
    (tmp_path / name).mkdir()
    (tmp_path / name / f"{collection}.json").write_text(json.dumps([record]))
    _, told = served("--fixtures", str(tmp_path), "--trunks", "0")
    assert set(told["vendors"]) == set(VENDORS)
    answer = subprocess.run(["bash", "-c", told["vendors"][name]["curl"]], capture_output=True, text=True, check=True)
    assert "mine-alone" in answer.stdout


def test_serve_says_that_stopping_it_is_well(run: Run) -> None:
    """Code 0, unlike the 130 of a command that was interrupted before it had done its work."""
    assert "until Ctrl-C or SIGTERM; then the exit code is 0" in " ".join(run("serve", "--help")[1].split())


def test_a_port_in_use_is_a_sentence(served: Any, run: Run) -> None:
    """Another port is suggested."""
    _, told = served(VENDORS[0])
    port = told["url"].rpartition(":")[2]
    code, out, err = run("serve", VENDORS[0], "--port", port)
    assert (code, out) == (2, "")
    assert f"port {port} of 127.0.0.1 is in use" in sentence(err)


@pytest.mark.parametrize("call", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_call_to_stop_a_check_is_heard_at_once(vendor: Vendor, call: signal.Signals) -> None:
    """The process ends within seconds with 130, whatever it was doing."""
    process = start("check", vendor.name, "--examples", "100000")
    assert process.stderr is not None
    process.stderr.readline()
    process.stderr.readline()
    begin = time.monotonic()
    process.send_signal(call)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert time.monotonic() - begin < 10
    assert "the run did not come to its end" in out
    assert "Traceback" not in err


@pytest.mark.slow_for("None", "2")
@pytest.mark.parametrize("call", [signal.SIGINT, signal.SIGTERM, None])
def test_what_a_stopped_check_made_is_removed(served: Any, call: signal.Signals | None, tmp_path: Path) -> None:
    """In the middle of a life, or when nobody reads on: the trunks are those of before, and nothing is left to do."""
    _, told = served("talkover", "--quiet")  # nobody reads what it says of refusals
    vendor = loader.load("talkover")
    target = targets.http(told["vendors"]["talkover"]["url"])

    def trunks() -> Any:
        auth = (("authorization", f"Bearer {vendor.world.token}"),)
        return target(Request("GET", "/sip-trunks", "", auth)).json()["data"]

    before, journal = trunks(), tmp_path / "journal"
    process = start(
        *("check", "talkover", "--url", target.base, "--allow-writes", "--journal", str(journal), "--seed", "1"),
        environ={"TRUNKLINE_TOKEN": vendor.world.token},
    )
    while len(trunks()) == len(before):
        assert process.poll() is None
    if call is None:  # as `| head` does
        assert process.stdout is not None
        assert process.stderr is not None
        next(line for line in process.stderr if line.startswith("schemathesis, "))
        process.stdout.close()
        process.stderr.close()
        assert process.wait(30) == 141
    else:
        process.send_signal(call)
        out, err = process.communicate(timeout=30)
        assert process.returncode == 130, err
        assert "LEFT BEHIND" not in out
    assert (trunks(), journal.exists()) == (before, False)


@pytest.mark.parametrize("gap", [0.005, 0.05])
def test_a_second_call_to_stop_leaves_nothing_untold(gap: float, broken: str, vendor: Vendor) -> None:
    """However impatient: the code is 130, no traceback is shown, and the report comes."""
    words = ("--app", broken, "--token", vendor.world.token, "--allow-writes", "--seed", "1", "--examples", "100000")
    process = start("check", vendor.name, *words)
    assert process.stderr is not None
    for _ in range(6):
        process.stderr.readline()
    process.send_signal(signal.SIGINT)
    time.sleep(gap)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, "Traceback" in err) == (130, False), err
    assert "verdict" in out or "interrupted" in err


def test_an_interruption_that_python_drops_ends_a_check_all_the_same(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in a callback of the garbage collector is dropped by Python: the next request ends the run, with 130."""
    from trunkline.check import strategies  # noqa: PLC0415 - where Hypothesis installs such a callback

    searched = strategies.search
    sent: list[bool] = []

    def drop(phase: str, _: object) -> None:
        if not sent:
            sent.append(True)
            signal.raise_signal(signal.SIGINT)

    def searching(*words: Any, **more: Any) -> Any:
        gc.callbacks.append(drop)
        gc.collect()
        gc.callbacks.remove(drop)
        return searched(*words, **more)

    monkeypatch.setattr("trunkline.check.laws.paging.search", searching)
    code, out, err = run("check", "telepath", "--format", "json")
    assert sent
    assert (code, document(out)["complete"]) == (130, False)
    assert "Traceback" not in err
    assert "ignored" not in err
