"""The command line: exit codes, one sentence for every error, and no secrets in the output."""

from __future__ import annotations

import gc
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from fnmatch import fnmatch
from functools import partial
from io import StringIO
from itertools import chain, count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema_rs
import pytest

import requests
import trunkline
from tests.recordings import har, joined
from tests.requests import Client
from tests.servers import environment, serving, start
from trunkline import cli, mock
from trunkline.check.fuzz import CHECKS
from trunkline.check.laws import LAW_NAMES, LAWS
from trunkline.check.rules import RULES
from trunkline.check.runner import Checker
from trunkline.check.stateful.laws import STATEFUL_LAWS
from trunkline.contract import folders
from trunkline.contract.export import document as document_of
from trunkline.contract.model import List
from trunkline.errors import TargetError
from trunkline.exchange import Json, Request, Response
from trunkline.findings import Report
from trunkline.mock import loader
from trunkline.mock.loader import Vendor
from trunkline.report import FORMATS
from trunkline.settings import OPTIONS
from trunkline.transport import connect, server, targets

VENDORS = folders.names()
TOKEN = "tok_hush_0123456789"
SCHEMA = json.loads((Path(trunkline.__file__).parent / "report/report.schema.json").read_text("utf-8"))
COMMANDS = ("serve", "reset", "check", "validate", "export", "faults", "rules", "explain", "replay", "docs")

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in this process: its code, standard output and standard error."""
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


def saved_response(vendor: Vendor) -> tuple[int, bytes, bytes]:
    """The response of the mock to the first operation: status, output of `curl -i`, and the body alone."""
    operation = vendor.contract.operations[0]
    path = operation.path
    for name, value in connect.known_parameters(vendor).items():
        path = path.replace(f"{{{name}}}", value)
    response = mock.from_vendor(vendor)(Request("GET", path, "", (("authorization", f"Bearer {vendor.world.token}"),)))
    head = b"".join(f"{name}: {value}\r\n".encode() for name, value in response.headers)
    return response.status, b"HTTP/1.1 200 OK\r\n" + head + b"\r\n" + response.body, response.body


def document(out: str) -> Json:
    """The report on standard output, which obeys its schema."""
    value = json.loads(out)
    jsonschema_rs.Draft202012Validator(SCHEMA).validate(value)
    return value


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vendor: Vendor) -> str:
    """An application that is the mock, except that the body of each success is an empty object."""
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
        "    response = good(request)\n"
        "    return replace(response, body=b'{}') if response.status == 200 else response\n"
        "app = asgi.application(bad, base=vendor.contract.base_path)\n"
    )
    return f"{name}:app"


# --- help -----------------------------------------------------------------------------------------------------------


def test_version_and_help(run: Run) -> None:
    """`--version` prints the version of the package; `--help` names each command."""
    assert run("--version") == (0, f"trunkline {trunkline.__version__}\n", "")
    code, out, err = run("--help")
    assert (code, err) == (0, "")
    for command in COMMANDS:
        assert f"\n  {command} " in out


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help_with_an_example_and_the_vendors(run: Run, command: str) -> None:
    """The example is on one line, so that it can be copied. A command that takes no vendor lists none."""
    code, out, err = run(command, "--help")
    assert (code, err) == (0, "")
    assert re.search(rf"\nExample:\n  .*trunkline {command}\b[^\n]*\n", out)
    takes_none = command in ("replay", "faults", "rules", "docs")
    assert (f"\nVendors:\n  {', '.join(VENDORS)}\n" in out, "Vendors:" in out) == (not takes_none, not takes_none)


def test_no_command_prints_the_help_and_ends_with_2(run: Run) -> None:
    """The help can be piped, as that of git and pip; the code says that nothing was done."""
    code, out, err = run()
    assert (code, err) == (2, "")
    assert out == run("--help")[1]


def test_help_imports_nothing_slow() -> None:
    """`trunkline --help` loads click and nothing heavy."""
    code = "import sys; from trunkline.cli import run; run(['--help']); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment())
    modules = set(loaded.stdout.split())
    slow = {"rich", "schemathesis", "hypothesis", "starlette", "uvicorn", "jsonschema_rs", "asyncio", "pytest"}
    assert not slow & modules


def test_the_default_port_is_the_one_in_reports() -> None:
    """The curl commands of a check of the built-in mock work against `trunkline serve`."""
    assert OPTIONS["port"].default == connect.DEFAULT_PORT


# --- errors -------------------------------------------------------------------------------------------------------

ERRORS = {
    ("frob",): "no such command",
    ("serv",): "Did you mean 'serve'? See trunkline --help",
    ("check",): "missing argument 'VENDOR'",
    ("check", "nope"): "'nope' is not a vendor; there are: ",
    ("check", "{vendor}", "more", TOKEN): "more arguments than this command takes",
    ("check", "{vendor}", "--frob"): "no such option",
    ("check", "{vendor}", "--ulr", "x"): "'--ulr'; did you mean --url or --ledger? See trunkline check --help",
    ("serve", "--vendor", "{vendor}"): "no such option '--vendor': name the vendor alone; see trunkline serve --help",
    ("serve", "--port"): "option '--port' requires an argument; see trunkline serve --help",
    ("check", "{vendor}", "--seed", "x"): "--seed is not a whole number",
    ("check", "{vendor}", "--seed", "9007199254740992"): "--seed is not a whole number from 0 to 9007199254740991",
    (
        "serve",
        "{vendor}",
        "--quiet",
        "--trunks",
        "1000001",
    ): "--trunks is not a whole number from 0 to 1000000",
    ("check", "{vendor}", "--strictness", "decision"): "--strictness is not documented, implied or customary",
    ("check", "{vendor}", "--fail-on", "decision"): "--fail-on is not documented, implied or customary",
    ("check", "{vendor}", "--fail-on=documented", "--strictness=decision"): "--strictness is not documented, ",
    ("check", "{vendor}", "--journal", "x"): "--journal is about writing; add --allow-writes, or leave it out",
    ("validate", "{vendor}", "--live", "--jobs", "2"): "--jobs is for recorded traffic; leave it out, or leave out",
    ("validate", "{vendor}", "--live", "--base", "http://h"): "--base is for recorded traffic; leave it out",
    ("check", "{vendor}", "--token"): "option '--token' requires an argument",
    ("check", "{vendor}", "--token", "Bearer hush"): "the token begins with 'Bearer'",
    ("check", "{vendor}", "--token", "hush hush"): "the token holds spaces",
    ("check", "{vendor}", "--token", TOKEN, "--token-file", "x"): "two credentials",
    ("check", "{vendor}", "--token-file", "not/there"): "there is no such file",
    ("check", "{vendor}", "--operation", "frob"): "'frob' is not an operation of",
    ("check", "{vendor}", "--param", "hush"): "--param is not a name, an equals sign and a value, all in UTF-8",
    (
        "check",
        "{vendor}",
        "--param",
        "trunkId=1",
    ): "--param 'trunkId' is the name of no path parameter here; did you mean trunk_id? there are: ",
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
    ): "deleteSipTrunk may change something; only operations that read are requested",
    (
        "validate",
        "telepath",
        "createTrunk",
        "--live",
    ): "createTrunk may change something; only operations that read are requested",
    ("validate", "talkover", "listSipTrunks", "--live", "--param", "limit=1"): "there are none",
    (
        "validate",
        "telepath",
        "getCall",
        "--live",
        "--param",
        "limit=1",
    ): "--param 'limit' is the name of no parameter here; there are: id",
    ("check", "{vendor}", "--rate", "1e-300"): "--rate is not a number, at least 0.00028",
    ("check", ""): "'' is not a vendor; there are: ",
    ("check", ".."): "'..' is not a vendor; there are: ",
    ("check", "/etc"): "'/etc' is not a vendor; there are: ",
    ("check", "{vendor}/"): "/' is not a vendor; there are: ",
    ("check", "{vendor}", "--url", "localhost"): "the base address does not begin with http",
    ("check", "{vendor}", "--url", "http://127.0.0.1:1", "--token", TOKEN): "127.0.0.1:1 refuses connections",
    ("check", "{vendor}", "--url", "http://h", "--app", "a:b"): "two implementations",
    ("check", "{vendor}", "--allow-writes", "--dry-run", "--format", "json"): "--dry-run prints plain lines",
    ("check", "{vendor}", "--allow-writes", "--dry-run", "--report", "json=r"): "leave out --report",
    ("check", "{vendor}", "--report", "json"): "--report is not FORMAT=FILE, where FORMAT is ",
    ("check", "{vendor}", "--report", "frob=r"): "--report is not FORMAT=FILE, where FORMAT is ",
    ("check", "{vendor}", "--report", "json="): "--report is not FORMAT=FILE, where FORMAT is ",
    ("check", "{vendor}", "--report", "json=no/such/r"): "--report: no/such/r is in a folder that does not exist",
    ("validate", "{vendor}", "not/there", "--report", "json=/"): "--report: / is a folder; name a file in it",
    ("validate", "{vendor}", "-", "--format", "json", "--report", "text=-"): "only one report can be printed",
    ("validate", "{vendor}", "-", "--report", "json=-", "--report", "text=-"): "only one report can be printed",
    ("check", "{vendor}", "--allow-writes", "--dry-run", "--second-token-file", "not/there"): "there is no such file",
    ("check", "{vendor}", "--allow-writes", "--second-token", TOKEN): "answers the second credential with 401",
    ("check", "{vendor}", "--allow-writes", "--url", "http://127.0.0.1:1", "--ledger", ""): "name another file",
    ("check", "{vendor}", "--app", "frob"): "does not name an application",
    ("check", "{vendor}", "--app", "frob:app"): "there is no module frob here",
    ("validate", "{vendor}"): "name a SOURCE to judge",
    ("validate", "{vendor}", "a", "b", "c"): "'a' is neither a file nor an operation of",
    ("validate", "{vendor}", ""): "the source has no name",
    ("validate", "telepath", "/dev/null", "listTrunks"): "'listTrunks' is an operation, not a file; name operations ",
    ("validate", "{vendor}", "http://h/v1/x"): "'http://h/v1/x' is an address, not a file; --live with --url asks it",
    ("validate", "{vendor}", "frob", "-"): "'frob' is neither a file nor an operation of",
    ("validate", "{vendor}", "--operation", "frob", "-"): "'frob' is not an operation of",
    ("validate", "{vendor}", "not/there"): "trunkline: 'not/there' cannot be read: there is no such file",
    ("validate", "{vendor}", "/dev/null"): "'/dev/null' cannot be judged: it is empty",
    ("validate", "{vendor}", "/dev/null", "/dev/null/x"): "(and so on, 2 in all)",
    ("validate", "{vendor}", "-", "--url", "http://h"): "--url is for requests",
    ("validate", "{vendor}", "frob", "--live"): "'frob' is not an operation of",
    ("validate", "{vendor}", "a", "b", "--live"): "with --live there is no SOURCE",
    ("export", "nope"): "'nope' is not a vendor",
    ("export", "{vendor}", "--url", "http://user:hush@h/"): "the base address holds a user name",
    ("export", "{vendor}", "--url", ""): "the base address does not begin with http",
    ("export", "{vendor}", "-o", "/"): "cannot be written: is a directory",
    ("export", "{vendor}", "-o", "no/such/folder"): "cannot be written: no such file or directory",
    ("export", "{vendor}", "-o", "a\0b"): "cannot be written: it is not a file name",
    ("serve", "nope"): "'nope' is not a vendor",
    ("serve", "--port", "65536"): "--port is not a whole number from 0 to 65535",
    ("serve", "--fixtures", "not/there"): "is not a folder",
    ("serve", "--watch"): "--watch has no files of yours to look at; name their folder with --fixtures",
    ("serve", "--token", ""): "--token is empty or has characters that no bearer token can have (RFC 6750, ",
    ("serve", "--token", "sk hush"): "--token is empty or has characters that no bearer token can have",
    ("serve", "--token", "Bearer sk_hush"): "--token is empty or has characters that no bearer token can have",
    ("serve", "--token", "telepath="): "--token is empty or has characters that no bearer token can have",
    ("serve", "--token", "telepath/other=sk_hush\n"): "--token is empty or has characters that no bearer",
    (
        "serve",
        "--token",
        "hush=sk_hush",
    ): f"--token has no vendor before its equals sign; there are: {', '.join(VENDORS)}",
    ("serve", "--token", "telepth=sk_hush"): "--token has no vendor before its equals sign; did you mean telepath?",
    ("serve", "--token", "/other=sk_hush"): "--token has no vendor before its equals sign",
    ("serve", "--token", "telepath/=sk_hush"): "--token names no account; write it as VENDOR/ACCOUNT=TOKEN",
    ("serve", "--token", "telepath/\udcff=sk_hush"): "--token names no account; write it as VENDOR/ACCOUNT=TOKEN",
    (
        "serve",
        "--token",
        "sk_hush",
        "--token",
        "telepath/other=sk_hush",
    ): "--token gives the account 'other' of telepath a token that opens 'main' already; give each account its own",
    ("serve", "--token", "sk_live_another_account"): "the account 'main' of telepath a token that opens 'another'",
    ("serve", "--host", "203.0.113.7"): "203.0.113.7 is not an address of this machine",
    ("serve", "--host", ""): "the host '' is unknown",
    ("serve", "--tls", "--host", "a b"): "no certificate can be made for 'localhost', '127.0.0.1', '::1', 'a b'; give",
    ("serve", "--tls-key", "key.pem"): "--tls-key needs the certificate of that key; name it with --tls-cert",
    ("serve", "--tls-key", ""): "--tls-key needs the certificate of that key; name it with --tls-cert",
    ("serve", "--tls-cert", ""): "'' is not a file; name one in PEM",
    ("serve", "--tls-cert", "not/there.pem"): "'not/there.pem' cannot be read: no such file or directory",
    ("serve", "--host", "a" * 64 + ".example"): "is unknown; choose an address of this machine",
}


@pytest.mark.parametrize("arguments", ERRORS, ids=" ".join)
def test_every_error_is_one_sentence(run: Run, arguments: tuple[str, ...]) -> None:
    """It is on standard error, with code 2; standard output is empty, and no part of a credential is shown."""
    code, out, err = run(*(argument.replace("{vendor}", VENDORS[0]) for argument in arguments))
    assert (code, out.partition("{")[0]) == (2, "")
    *_, last = err.splitlines()
    assert (last.startswith("trunkline: "), err.count("trunkline: ")) == (True, 1)
    assert ERRORS[arguments] in last
    assert "hush" not in out + err
    assert "Traceback" not in err


LONG = "9" * 5000
LONG_ARGUMENTS = {
    ("check", LONG): "999…9' is not a vendor; there are: ",
    ("check", "{vendor}", "--seed", LONG): "--seed is not a whole number",
    ("check", "{vendor}", "--seed", "9 " * 5000): "--seed is not a whole number",
    ("check", "{vendor}", "--param", f"{LONG}=1"): "9…' is the name of no path parameter here; there are: ",
    ("validate", "{vendor}", LONG): "999…9' cannot be used: file name too long",
    ("drift", "{vendor}", "9 " * 5000): "9 …' cannot be used: file name too long",
    ("replay", LONG): "999…9' cannot be read: file name too long",
    ("check", "{vendor}", "--baseline", LONG): "999…9' cannot be used: file name too long",
    ("serve", "--host", LONG): "999…9' is unknown; choose an address of this machine",
    (LONG,): "no such command ",
}


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Bearer tok_hush_0123", "Bearer ***"),
        ("https://user:hush2@host/a.har", "https://user:***@host/a.har"),
        ("sk_live_0123456789.json", "***.json"),
    ],
)
@pytest.mark.parametrize("command", [("validate", "{vendor}"), ("drift", "{vendor}"), ("replay",)])
def test_a_wrong_file_name_is_shown_without_a_credential(
    run: Run, command: tuple[str, ...], name: str, shown: str
) -> None:
    """It is redacted as any other text."""
    _, _, err = run(*(argument.replace("{vendor}", VENDORS[0]) for argument in command), name)
    reason = "cannot be read: there is no such file"
    if command[0] == "validate" and name.startswith("https://"):
        reason = "is an address, not a file; --live with --url asks it"
    assert sentence(err) == f"trunkline: {shown!r} {reason}\n"


@pytest.mark.parametrize("arguments", LONG_ARGUMENTS, ids=[" ".join(arguments)[:24] for arguments in LONG_ARGUMENTS])
def test_no_error_is_too_long_to_read(run: Run, arguments: tuple[str, ...]) -> None:
    """A long argument is cut; the advice is not."""
    code, out, err = run(*(argument.replace("{vendor}", VENDORS[0]) for argument in arguments))
    assert (code, out) == (2, "")
    assert LONG_ARGUMENTS[arguments] in sentence(err)
    assert len(err) < 1100


@pytest.mark.slow_for("export")
@pytest.mark.parametrize(
    ("redirection", "code", "message"),
    [
        ("1>&-", 2, "trunkline: standard output is closed; open it, or send it to a file\n"),
        ("1>/dev/full", 2, "trunkline: standard output cannot be written: no space left on device; send it to *\n"),
        ("2>&-", 0, ""),
        ("2>/dev/full", 0, ""),
    ],
)
@pytest.mark.parametrize("command", ["rules", "export {vendor}", "--help"])
def test_an_output_that_cannot_be_written_is_one_sentence(
    redirection: str, code: int, message: str, command: str
) -> None:
    """It is not reported as a bug. If standard error cannot be written, the code is all there is."""
    line = f"exec {sys.executable} -m trunkline.cli {command.format(vendor=VENDORS[0])} {redirection}"
    ended = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False, env=environment())
    assert ended.returncode == code
    assert fnmatch(ended.stderr, message)


def test_an_output_that_is_cut_off_is_an_error(tmp_path: Path) -> None:
    """Also without a buffer in Python, where a write that writes less is no error."""
    line = (
        f"ulimit -f 8; trap '' XFSZ; exec {sys.executable} -B -m trunkline.cli export {VENDORS[0]} > {tmp_path / 'out'}"
    )
    for environ in ({}, {"PYTHONUNBUFFERED": "1"}):
        command = ["bash", "-c", line]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, env=environment(**environ))
        assert (ended.returncode, (tmp_path / "out").stat().st_size) == (2, 8192)
        assert ended.stderr == "trunkline: standard output cannot be written: file too large; send it to where it can\n"


def test_an_error_that_cannot_be_printed_still_has_its_code() -> None:
    """Standard error can be full or closed."""
    for redirection in ("2>&-", "2>/dev/full"):
        line = f"exec {sys.executable} -m trunkline.cli frob {redirection}"
        assert subprocess.run(["bash", "-c", line], check=False, env=environment()).returncode == 2


def test_a_missing_path_parameter_is_named(run: Run) -> None:
    """An item of an implementation that is not the mock can only be requested by its id."""
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


def test_an_unexpected_exception_is_reported_as_a_bug(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message has the name of its class only; TRUNKLINE_DEBUG shows the traceback."""

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError(TOKEN)

    monkeypatch.setattr(loader, "load", fail)
    code, out, err = run("export", VENDORS[0])
    assert (code, out) == (2, "")
    assert "ZeroDivisionError was not expected; this is a bug in trunkline" in sentence(err)
    assert TOKEN not in err
    monkeypatch.setenv("TRUNKLINE_DEBUG", "1")
    assert "Traceback" in run("export", VENDORS[0])[2]


@pytest.mark.parametrize("module", ["trunkline.settings", "trunkline.cli.rules"])
def test_an_interruption_of_the_imports_ends_with_130(module: str) -> None:
    """There is no traceback, and it counts even where Python drops an exception, as in a callback of its imports."""
    interrupted = f"""if True:
        import importlib.abc, signal, sys, weakref

        class Interruption(importlib.abc.MetaPathFinder):
            def find_spec(self, name, path=None, target=None):
                if name == {module!r}:
                    value = set()
                    seen = weakref.ref(value, lambda _: signal.raise_signal(signal.SIGINT))
                    del value

        sys.meta_path.insert(0, Interruption())
        from trunkline.cli import main
        main(["rules"])
    """
    done = subprocess.run([sys.executable, "-c", interrupted], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_an_interruption_ends_with_130(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is one word and no traceback."""

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(loader, "load", stop)
    assert run("export", VENDORS[0]) == (130, "", "trunkline: interrupted\n")


@pytest.mark.parametrize("url", ["", "localhost", "ftp://h/", "http://user:hush@h/", "http://h/\nx", "http://h:port"])
def test_export_refuses_an_impossible_server(run: Run, vendor: Vendor, url: str) -> None:
    """As for the address of a check, the sentence does not quote it."""
    code, out, err = run("export", vendor.name, "--url", url)
    assert (code, out) == (2, "")
    assert "the base address " in err
    assert "write it like https://api.example.com/v1" in " ".join(err.split())
    assert "hush" not in err


def test_a_closed_pipe_is_not_an_error() -> None:
    """`trunkline export ... | head -1` prints no error."""
    with start("export", VENDORS[0]) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 141


@pytest.mark.slow
def test_a_terminal_that_lacks_a_character_ends_no_run(tmp_path: Path, vendor: Vendor) -> None:
    """Characters that ASCII lacks are escaped, in JSON as JSON escapes them."""
    ascii_only = {"PYTHONIOENCODING": "ascii"}
    out, err = start("export", vendor.name, environ=ascii_only).communicate(timeout=60)
    assert (err, out.isascii()) == ("", True)
    assert json.loads(out) == document_of(vendor.contract, examples=vendor.example_ids, bodies=vendor.example_bodies)
    (tmp_path / "body").write_text('{"é": 1}')
    arguments = ("validate", vendor.name, vendor.contract.operations[0].operation_id, str(tmp_path / "body"))
    out, err = start(*arguments, environ=ascii_only).communicate(timeout=60)
    assert ("\\xe9" in out, err) == (True, "")


# --- check ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_built_in_mock_keeps_the_contract(run: Run, vendor: Vendor) -> None:
    """The code is 0, every documented response is reported, and every check that only reads is exercised."""
    code, out, err = run("check", vendor.name, "--seed", "5", "--examples", "3", "--format", "json")
    assert (code, err) == (0, "")
    report = document(out)
    assert (report["verdict"], report["seed"], report["complete"]) == ("kept", 5, True)
    assert report["findings"] == []
    assert report["requests"] > 10
    reading = {operation.operation_id for operation in vendor.contract.operations if operation.reads}
    assert {entry["operation"] for entry in report["reached"]} == reading
    silent = [entry for entry in report["not_exercised"] if "it writes" not in entry["reason"]]
    assert silent == []
    laws = LAW_NAMES | {"schemathesis"}
    assert not [entry for entry in report["not_exercised"] if entry["operation"] in reading and entry["check"] in laws]
    written = {entry["operation"] for entry in report["not_exercised"] if entry["check"] == "schemathesis"}
    assert written == {operation.operation_id for operation in vendor.contract.operations} - reading


def test_a_finding_ends_with_1_and_is_shown_with_its_command(run: Run, vendor: Vendor, broken: str) -> None:
    """The text says what, where, why and how often, and has a curl command without the credential."""
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
    base = f"http://localhost{vendor.contract.base_path}"
    assert err.startswith(
        f"checking {vendor.name} at {broken} in process (serve it at {base} to use its curl lines), seed 9\n"
    )
    assert vendor.world.token not in out + err
    _, out, _ = run(*arguments, *params, "--fail-fast")
    assert "; the run did not come to its end: stopped at the first finding, as --fail-fast asks\n" in out
    code, out, _ = run(*arguments, *params, "--fail-fast", "--format", "json")
    report = document(out)
    assert (code, report["verdict"]) == (1, "broken")
    assert report["requests"] <= 2
    assert any("--fail-fast" in entry["reason"] for entry in report["not_exercised"])


def test_a_wrong_token_ends_with_2(run: Run, vendor: Vendor) -> None:
    """Without a good credential nothing can be judged: one sentence, no verdict, and no token."""
    code, out, err = run("check", vendor.name, "--token", TOKEN, "--max-requests", "20", "--examples", "1")
    assert code == 2
    assert out == ""
    assert "refuses the credential with 401" in err.splitlines()[-1]
    assert "hush" not in out + err


def test_a_token_of_another_vendor_is_reported_as_such(run: Run, vendor: Vendor) -> None:
    """Tokens are easily mixed up: the sentence of check and validate names the vendor, and not the token."""
    other = next(loader.load(name) for name in VENDORS if name != vendor.name)
    token = next(token for token in other.world.tokens if token not in vendor.world.tokens)
    operation = vendor.contract.of_kind(List)[0].operation_id
    for command in (("check", vendor.name), ("validate", vendor.name, operation, "--live")):
        code, out, err = run(*command, "--token", token)
        assert code == 2
        sentence = f"refuses the credential with 401: it is a token of {other.name}; give one of {vendor.name} with"
        assert sentence in err.splitlines()[-1]
        assert token not in out + err


@pytest.mark.slow
def test_a_dry_run_prints_what_the_run_would_send(run: Run, vendor: Vendor) -> None:
    """It has as many requests, except for those drawn from new names; it sends nothing, and prints no secret."""
    arguments = ("check", vendor.name, "--allow-writes", "--seed", "3", "--examples", "2")
    code, out, err = run(*arguments, "--dry-run", "--url", "http://127.0.0.1:1", "--leave", "1000")
    assert (code, err) == (0, f"working out the requests for {vendor.name}, seed 3; nothing is sent\n")
    lines = out.splitlines()
    found = re.fullmatch(r"(\d+) requests that write, (\d+) that only read; nothing was sent", lines[-1])
    assert found is not None
    assert int(found[1]) == len(lines) - 1 > 100
    assert "trunkline-check-" in lines[0]
    secret = re.compile(rf'"({"|".join(vendor.contract.secrets)})": (?!"\*\*\*"|"?\**…)')  # a long line is cut anywhere
    assert [line for line in lines if secret.search(line)] == []
    really = document(run(*arguments, "--format", "json")[1])["requests"]
    assert abs(int(found[1]) + int(found[2]) - really) < really / 10


def test_a_budget_that_is_too_small_is_named(run: Run, vendor: Vendor) -> None:
    """The sentence is about the budget and not about the token."""
    code, _, err = run("check", vendor.name, "--max-requests", "1")
    assert (code, "the budget of 1 request is spent" in err, "token" in err) == (2, True, False)


def test_what_is_required_must_be_exercised(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Else the code is 2, and a sentence names the check; the option can be set anywhere, and knows the operations."""
    check = ("check", "telepath", "--operation", "getCall", "--operation", "updateTrunk", "--examples", "1")
    monkeypatch.chdir(tmp_path)
    code, _, err = run(*check[:4], "--examples", "1", "--require", "getCall")
    assert (code, err.splitlines()[-1]) == (0, "getCall: schemathesis")
    code, _, err = run(*check, "--require", "getCall,updateTrunk")
    assert code == 2
    monkeypatch.setenv("TRUNKLINE_REQUIRE", "all")
    code, _, err = run("check", "talkover", "--operation", "getSipTrunk", "--examples", "1")
    assert code == 2
    assert "--require is not met: list_and_detail_agree of getSipTrunk was not exercised" in err.splitlines()[-1]
    assert "'getcall', which is not checked; name one of: getCall" in sentence(
        run(*check[:4], "--require", "getcall")[2]
    )


def test_an_empty_account_is_lawful(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The code is 0, with a line that says what could not be asked; 2 if that was asked for by name."""
    load = loader.load
    monkeypatch.setattr(loader, "load", lambda name, **_: load(name, trunks=0))
    code, out, _ = run("check", "talkover", "--examples", "1", "--seed", "1")
    assert code == 0
    assert "NOT EXERCISED getSipTrunk, getSipTrunkHealth, listSipTrunkDids: the account has no" in out
    assert "the contract of talkover is kept" in out
    code, _, err = run("check", "talkover", "--examples", "1", "--operation", "getSipTrunk")
    assert code == 2
    assert "no success of getSipTrunk was seen" in err.splitlines()[-1]


def test_a_server_that_goes_away_ends_a_check_with_2(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The findings until then are reported as not complete; only Ctrl-C is 130."""
    good, numbers = mock.from_vendor(loader.load("telepath")), count()

    def target(request: Request) -> Response:
        if next(numbers) > 50:
            raise TargetError("the connection is refused")
        return good(request)

    monkeypatch.setattr(mock, "from_vendor", lambda _: target)
    code, out, err = run("check", "telepath", "--seed", "1")
    assert (code, err.splitlines()[-1]) == (2, "trunkline: the connection is refused")
    assert "verdict       NOT EXERCISED: the run did not judge everything: the connection is refused;" in out
    assert "did not come to its end" not in out


@pytest.mark.slow
def test_a_check_that_may_leave_nothing_names_the_option(run: Run) -> None:
    """If no operation deletes an item and none may be left, nothing is created, and --leave is named."""
    code, _, err = run("check", "telepath", "--allow-writes", "--leave", "0", "--examples", "1")
    assert code == 2
    assert "allow some to stay with --leave" in err.splitlines()[-1]


def test_strictness_decides_what_fails(run: Run, vendor: Vendor, broken: str) -> None:
    """A finding of a weaker grade is a note, and the JSON shows which is which."""
    arguments = (
        "check",
        vendor.name,
        "--app",
        broken,
        "--token",
        vendor.world.token,
        "--fail-fast",
        "--format",
        "json",
    )
    params = [f"--param={name}={value}" for name, value in connect.known_parameters(vendor).items()]
    report = document(run(*arguments, *params, "--strictness", "documented", "--examples", "1")[1])
    assert all(found["fails"] == (found["grade"] == "documented") for found in report["findings"])


def test_the_token_is_taken_from_the_environment(run: Run, vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    """TRUNKLINE_TOKEN is used for a live implementation."""
    monkeypatch.setenv("TRUNKLINE_TOKEN", "hush hush")
    url = f"http://127.0.0.1:1{vendor.contract.base_path}"
    assert "the token in $TRUNKLINE_TOKEN holds spaces" in sentence(run("check", vendor.name, "--url", url)[2])


def test_an_interrupted_check_reports_what_was_found(
    run: Run, vendor: Vendor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The code is 130, and the report says that it is not complete."""

    def stop(checker: Checker, _: object) -> None:
        checker.progress("somewhere")
        raise KeyboardInterrupt

    monkeypatch.setattr(Checker, "run", stop)
    code, out, _ = run("check", vendor.name, "--format", "json", "--report", f"json={tmp_path / 'report'}")
    assert (code, document(out)["complete"], document(out)["verdict"]) == (130, False, "not exercised")
    assert (tmp_path / "report").read_text("utf-8") == out
    code, out, err = run("check", vendor.name)
    assert code == 130
    assert "so little can be judged: it was interrupted\n" in out
    assert "somewhere\n" in err


def test_reports_are_written_to_files_and_printed(
    run: Run, vendor: Vendor, broken: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`--report FORMAT=-` is what `--format FORMAT` prints, and each file has the report of the same run."""
    if vendor.name == "telepath":  # with Schemathesis for the other vendor
        monkeypatch.setattr(Checker, "fuzz", lambda *_: None)
    file, body = tmp_path / "report.txt", tmp_path / "body.json"
    body.write_bytes(b"{}")
    for command in (
        ("check", vendor.name, "--app", broken, "--token", vendor.world.token, "--examples", "1"),
        ("validate", vendor.name, vendor.contract.operations[0].operation_id, str(body)),
    ):
        code, out, _ = run(*command, "--report", f"text={file}", "--report", "json=-")
        found = document(out)["findings"]
        assert code == 1
        assert file.read_text("utf-8").count("\nFINDING ") + 1 == len([each for each in found if each["fails"]])
        assert vendor.world.token not in file.read_text("utf-8") + out


def test_github_actions_shows_a_report_without_an_option(
    run: Run, vendor: Vendor, broken: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Annotations are on standard error, not in the document on standard output; the job's summary has Markdown."""
    summary, body = tmp_path / "summary.md", tmp_path / "body.json"
    monkeypatch.setattr(Checker, "fuzz", lambda *_: None)
    body.write_bytes(b"{}")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    for command in (
        ("check", vendor.name, "--app", broken, "--token", vendor.world.token, "--examples", "1"),
        ("validate", vendor.name, vendor.contract.operations[0].operation_id, str(body)),
    ):
        summary.unlink(missing_ok=True)
        code, out, err = run(*command, "--format", "json")
        assert (code, document(out)["verdict"]) == (1, "broken")
        assert f"::error title=trunkline::the contract of {vendor.name} is BROKEN" in err
        assert len([line for line in err.splitlines() if line.startswith("::error file=schemas/")]) > 0
        assert summary.read_text("utf-8").startswith(f"### trunkline: the contract of <code>{vendor.name}</code> is ")


EACH_FORMAT = """
import sys
from trunkline import cli

*arguments, formats = sys.argv[1:]
for name in formats.split():
    cli.run([*arguments, "--report", f"{name}=-"])
    sys.stdout.flush()
    sys.stdout.buffer.write(b"\\0")
"""


def test_each_format_can_be_printed_anywhere(run: Run, tmp_path: Path) -> None:
    """Also where standard output cannot encode every character, it is what a file would have."""
    (tmp_path / "body.json").write_text('{"trunks": "\u00e9\u20ac"}', "utf-8")
    arguments = ("validate", "telepath", "listTrunks", str(tmp_path / "body.json"))
    run(*arguments, *(f"--report={name}={tmp_path / name}" for name in FORMATS))
    command = [sys.executable, "-c", EACH_FORMAT, *arguments, " ".join(FORMATS)]
    environ = environment(PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    done = subprocess.run(command, capture_output=True, check=False, env=environ)
    *outputs, rest = done.stdout.split(b"\0")
    assert rest == b""
    for name, output in zip(FORMATS, outputs, strict=True):
        written = (tmp_path / name).read_text("utf-8")
        assert output
        if name in ("json", "sarif"):
            assert json.loads(output.decode("ascii")) == json.loads(written)
        elif name != "text":
            assert output.decode("utf-8") == written


def test_a_check_that_reaches_nothing_writes_its_report(run: Run, vendor: Vendor, tmp_path: Path) -> None:
    """A program sees why there is no verdict, in the file or on standard output; people get one sentence."""
    file = tmp_path / "report.json"
    to = ("--url", "http://127.0.0.1:1", "--token", TOKEN, "--report", f"json={file}")
    code, out, err = run("check", vendor.name, *to)
    assert (code, out) == (2, "")
    assert "127.0.0.1:1 refuses connections" in err
    value = document(file.read_text("utf-8"))
    assert (value["verdict"], value["complete"]) == ("not exercised", False)
    code, out, err = run("check", vendor.name, *to[:4], "--report", "json=-")
    assert (code, document(out) | {"seed": 0}, "refuses connections" in err) == (2, value | {"seed": 0}, True)


def test_a_validation_that_judges_nothing_writes_its_report(run: Run, tmp_path: Path) -> None:
    """A file that is no recording, and an implementation that is down, are the reason in it; the sentence is the same.

    What cannot be judged at all, because the command line is wrong, leaves no file.
    """
    (tmp_path / "a.txt").write_text("no response")
    for arguments, place in (((str(tmp_path / "a.txt"),), 1), (("--live", "--url", "http://127.0.0.1:1"), 0)):
        file = tmp_path / f"{place}.json"
        code, out, err = run("validate", "telepath", "listTrunks", *arguments, "--report", f"json={file}")
        value = document(file.read_text("utf-8"))
        assert (code, out, value["verdict"], value["complete"]) == (2, "", "not exercised", False)
        assert len(value["not_judged"]) == place
        assert sentence(err.splitlines(keepends=True)[-1])
        code, out, error = run("validate", "telepath", "listTrunks", *arguments, "--format", "json")
        assert (code, document(out), error.splitlines()[-1]) == (2, value, err.splitlines()[-1])
    run("validate", "telepath", "--report", f"json={tmp_path / 'none.json'}")
    assert not (tmp_path / "none.json").exists()


@pytest.mark.parametrize(("jobs", "number"), [("1", signal.SIGTERM), ("2", signal.SIGINT)])
def test_an_interrupted_validation_reports_what_was_found(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, jobs: str, number: int
) -> None:
    """By Ctrl-C or SIGTERM: the code is 130, and the files and standard output have the findings of the part before."""
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_text("{}")
    merge, merged = Report.merge, list[Report]()

    def stop(self: Report, other: Report) -> None:
        if merged:
            signal.raise_signal(number)
        merged.append(other)
        merge(self, other)

    monkeypatch.setattr(Report, "merge", stop)
    report = ("--format", "json", "--report", f"json={tmp_path / 'report'}")
    names = [str(tmp_path / name) for name in ("a.json", "b.json")]
    code, out, _ = run("validate", "telepath", "listTrunks", *names, "--jobs", jobs, *report)
    value = document(out)
    assert (code, value["complete"], value["verdict"]) == (130, False, "broken")
    assert [file["count"] for file in value["judged"]] == [1, 0]
    assert (tmp_path / "report").read_text("utf-8") == out


def test_a_report_that_cannot_be_written_at_last_is_an_error(
    run: Run, vendor: Vendor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The printed report is complete, and then one sentence names the file."""
    (tmp_path / "body.json").write_bytes(saved_response(vendor)[2])
    arguments = ("validate", vendor.name, vendor.contract.operations[0].operation_id, str(tmp_path / "body.json"))
    _, printed, _ = run(*arguments)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    code, out, err = run(*arguments, "--report", f"json={tmp_path / 'report.json'}")
    assert (code, out) == (2, printed)
    assert sentence(err).endswith("report.json cannot be written: no space left on device\n")


def test_a_bug_in_a_check_does_not_hide_findings(
    run: Run, vendor: Vendor, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report so far comes first, then the sentence that calls it a bug."""

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


def test_an_error_that_contains_the_credential_is_redacted(
    run: Run, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This holds for a whole check and for one live request."""

    def echo(_: Request) -> Response:
        raise TargetError(f"answered {TOKEN}")

    monkeypatch.setattr(mock, "from_vendor", lambda _: echo)
    operation = vendor.contract.operations[0].operation_id
    for command in (("check", vendor.name), ("validate", vendor.name, operation, "--live")):
        code, _, err = run(*command, "--token", TOKEN)
        assert (code, err.splitlines()[-1]) == (2, "trunkline: answered ***")


# --- validate -------------------------------------------------------------------------------------------------------


def test_a_saved_response_is_valid(run: Run, vendor: Vendor, tmp_path: Path) -> None:
    """With headers, all but the request is known; a body alone leaves more rules not exercised."""
    _, whole, body = saved_response(vendor)
    (tmp_path / "whole").write_bytes(whole)
    (tmp_path / "body").write_bytes(body)
    code, out, err = run("validate", vendor.name, str(tmp_path / "whole"))
    assert (code, err) == (0, "")
    assert "the request is not known" in out
    assert "the status" not in out
    code, out, _ = run("validate", vendor.name, str(tmp_path / "body"), "--format", "json")
    report = document(out)
    assert (code, report["verdict"], report["seed"], report["base"]) == (0, "kept", None, "")
    assert {"the status is not known"} <= {entry["reason"] for entry in report["not_exercised"]}


def test_a_broken_response_is_a_finding(run: Run, vendor: Vendor, tmp_path: Path) -> None:
    """The code is 1, even if the body is not JSON; without a request there is no curl command."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    for body in (b"", b"{", b'{"x": NaN}', b"<html>Bad gateway</html>"):
        (tmp_path / "body").write_bytes(head % len(body) + body)
        code, out, err = run(
            "validate", vendor.name, vendor.contract.operations[0].operation_id, str(tmp_path / "body")
        )
        assert (code, err) == (1, "")
        assert "body_is_json" in out
        assert "curl" not in out


def test_what_no_api_sent_is_not_judged(run: Run, vendor: Vendor, tmp_path: Path) -> None:
    """A file of another kind is one sentence and code 2, also when the operation is named: no finding."""
    operation = vendor.contract.operations[0].operation_id
    for data in (b"", b"{", b"\x89PNG\r\n\x1a\n", b"<html></html>", b"* Trying 127.0.0.1\n< HTTP/1.1 200 OK\n"):
        (tmp_path / "file").write_bytes(data)
        code, out, err = run("validate", vendor.name, operation, str(tmp_path / "file"))
        assert (code, out) == (2, "")
        assert re.search(r"file' cannot be judged: it .* (curl -i -o FILE|record it again)$", sentence(err))


def test_several_files_and_folders_are_sources(run: Run, vendor: Vendor, tmp_path: Path) -> None:
    """Each finding names the files; equal ones are one finding, and the summary counts the exchanges."""
    _, whole, body = saved_response(vendor)
    operation = vendor.contract.operations[0].operation_id
    head = whole.removesuffix(body)
    (tmp_path / "folder").mkdir()
    for name, data in (("good", whole), ("folder/bad", head + b"[]"), ("folder/worse", head + b"[]" + whole)):
        (tmp_path / name).write_bytes(data.replace(b"content-length: %d" % len(body), b"x: y"))
    names = [str(tmp_path / name) for name in ("good", "folder")]
    code, out, err = run("validate", vendor.name, "--operation", operation, *names)
    assert (code, err) == (1, "")
    assert f"  recorded {tmp_path}/folder/bad, {tmp_path}/folder/worse:1\n" in out
    assert "(2 times)" in out
    assert "\njudged        4 exchanges in 3 of 3 files\n" in out
    report = document(run("validate", vendor.name, operation, *names, "--format", "json")[1])
    assert [entry["count"] for entry in report["judged"]] == [1, 1, 2]
    assert {source for found in report["findings"] for source in found["sources"]} == {
        f"{tmp_path}/folder/bad",
        f"{tmp_path}/folder/worse:1",
    }


def test_a_file_that_cannot_be_judged_is_listed(run: Run, vendor: Vendor, tmp_path: Path) -> None:
    """The others are judged, and the code is 2 unless there are findings: not enough was judged."""
    for name, data in (("good", saved_response(vendor)[1]), ("picture", b"\x89PNG")):
        (tmp_path / name).write_bytes(data)
    code, out, err = run("validate", vendor.name, str(tmp_path))
    assert code == 2
    assert "nothing in 1 of 2 files could be judged" in sentence(err)
    assert f"\nNOT JUDGED    {tmp_path}/picture: it is neither the output of curl -i nor JSON" in out
    report = document(run("validate", vendor.name, str(tmp_path), "--format", "json")[1])
    assert [entry["place"] for entry in report["not_judged"]] == [str(tmp_path / "picture")]


def archive(*exchanges: tuple[str, str, bytes, str]) -> bytes:
    """A HAR file: method, address, body and credential of each exchange."""
    files = (
        har(body.decode(), method=method, url=url, sent=(("Authorization", credential),))
        for method, url, body, credential in exchanges
    )
    return json.dumps(joined(*files)).encode()


def test_an_exchange_with_no_operation_is_listed_and_counted(run: Run, vendor: Vendor, tmp_path: Path) -> None:
    """It is never dropped silently, nor judged as another; if there is no other, the code is 2."""
    path = tmp_path / "a.har"
    base, body = vendor.contract.url, saved_response(vendor)[2]
    origin = base.removesuffix(vendor.contract.base_path)
    good = ("GET", f"{base}{vendor.contract.operations[0].path}", body, "Bearer abc")
    others = [(method, url, b"{}", "") for method, url in (("GET", f"{origin}/x.js?a=hush"), ("PUT", f"{base}/no"))]
    path.write_bytes(archive(good, *others))
    _, out, _ = run("validate", vendor.name, str(path))
    shown = f"\nNOT JUDGED    {path}:1 (#/log/entries/"
    assert f"{shown}1): GET {origin}/x.js is no operation of {vendor.name}\n" in out
    assert f"{shown}2): PUT {base}/no is no operation of {vendor.name}\n" in out
    assert "hush" not in out
    many = [("GET", f"{origin}/{number}" + "/x" * 999, b"", "") for number in range(1100)]
    path.write_bytes(archive(good, *many))
    _, out, _ = run("validate", vendor.name, str(path))
    assert (out.count("NOT JUDGED"), "\nNOT JUDGED    1080 more\n" in out, max(map(len, out.splitlines())) < 500) == (
        21,
        True,
        True,
    )
    report = document(run("validate", vendor.name, str(path), "--format", "json")[1])
    assert (report["skipped"], len(report["not_judged"])) == (1100, 1000)
    path.write_bytes(archive(*others))
    code, out, err = run("validate", vendor.name, str(path))
    assert (code, out) == (2, "")
    assert f"a.har:1 (#/log/entries/0)' cannot be judged: GET {origin}/x.js is no operation of" in sentence(err)
    assert "2 in all" in err


def test_requests_to_other_hosts_are_counted(run: Run, vendor: Vendor, tmp_path: Path) -> None:
    """One line for each host, without what may be secret; a file with nothing else is no reason for code 2."""
    path, base, path_of_list = tmp_path / "a.har", vendor.contract.url, vendor.contract.operations[0].path
    good = ("GET", f"{base}{path_of_list}", saved_response(vendor)[2], "Bearer abc")
    fonts = [("GET", f"https://me:hush@fonts.example/{number}?k=hush", b"{}", "") for number in range(100)]
    path.write_bytes(archive(good, *fonts, ("GET", "data:text/css,hush", b"", "")))
    _, out, _ = run("validate", vendor.name, str(path))
    assert (
        "\nother host    100 requests to fonts.example, left out\nother host    1 request to data:, left out\n" in out
    )
    assert "NOT JUDGED" not in out
    assert "hush" not in out
    path.write_bytes(archive(*fonts))
    code, out, err = run("validate", vendor.name, str(path))
    assert (code, out) == (2, "")
    others = f"no exchange is for {vendor.name}; to other hosts: 100 (fonts.example; name yours with --base)"
    assert others in sentence(err)
    (tmp_path / "b.har").write_bytes(archive(good))
    report = document(run("validate", vendor.name, str(tmp_path), "--format", "json")[1])
    assert (report["verdict"], report["other_hosts"]) != ("not exercised", [])


def test_a_base_stands_for_the_vendors_address(run: Run, vendor: Vendor, tmp_path: Path) -> None:
    """Then nothing else is judged, not even what is recorded at the vendor's own address."""
    path, list_path, body = tmp_path / "a.har", vendor.contract.operations[0].path, saved_response(vendor)[2]
    urls = (f"https://gateway.example/voice{list_path}", f"{vendor.contract.url}{list_path}", "http://127.0.0.1/x")
    path.write_bytes(archive(*(("GET", url, body, "Bearer abc") for url in urls)))
    bases = ("--base", "https://gateway.example/voice", "--base", "https://other.example")
    report = document(run("validate", vendor.name, str(path), *bases, "--format", "json")[1])
    assert report["judged"] == [{"file": str(path), "count": 1}]
    assert {other["host"] for other in report["other_hosts"]} == {vendor.contract.host, "127.0.0.1"}
    code, _, err = run("validate", vendor.name, str(path), "--base", "gateway.example")
    assert code == 2
    assert "--base is the address that stands for the vendor's" in sentence(err)


def test_older_exchanges_are_left_out(run: Run, vendor: Vendor, tmp_path: Path) -> None:
    """Those without a time are judged, which is said once; a duration counts from now."""
    path, url = tmp_path / "a.har", f"{vendor.contract.url}{vendor.contract.operations[0].path}"
    recorded = json.loads(archive(*[("GET", url, b"{}", "Bearer abc")] * 4))
    times = ("2026-01-01T00:00:00Z", "2026-01-02", "", "x")
    for entry, stated in zip(recorded["log"]["entries"], times, strict=True):
        entry["startedDateTime"] = stated
    path.write_text(json.dumps(recorded))
    code, out, _ = run(
        "validate", vendor.name, str(path), "--since", "2026-01-01T12:00:00+00:00", "--fail-on", "implied"
    )
    assert code == 1
    assert "since         2026-01-01T12:00:00Z: 1 older exchange left out; 2 exchanges without a time judged" in out
    assert "first 2026" not in out
    assert "2026-01-02T00:00:00Z" in out
    path.write_text(json.dumps(recorded).replace('"startedDateTime": ""', '"startedDateTime": "2026-01-01"'))
    code, _, err = run("validate", vendor.name, str(path), "--since", "2027-01-01")
    assert code in {1, 2}
    report = document(run("validate", vendor.name, str(path), "--since", "999999999s", "--format", "json")[1])
    assert (report["older"], report["undated"]) == (0, 1)
    for wrong in ("yesterday", "2026-13-01", "2 h", "-2h", "9999999999h", ""):
        code, out, err = run("validate", vendor.name, str(path), "--since", wrong)
        assert (code, out) == (2, "")
        assert "--since is not a time such as 2026-11-28T18:00:00Z, or a duration such as 2h" in sentence(err)
    code, _, err = run("validate", vendor.name, "--live", "--since", "2h")
    assert (code, "--since is for recorded traffic" in err) == (2, True)


def test_a_recorded_exchange_of_another_operation_is_not_judged_as_the_named_one(run: Run, tmp_path: Path) -> None:
    """With --operation only its exchanges are judged; others are counted. A recorded credential is never shown."""
    path = tmp_path / "a.har"
    url, body = "https://h/v1/trunks?limit=1", f'{{"trunks": [], "pagination": "{TOKEN}"}}'.encode()
    call = ("GET", "https://h/v1/calls", b"{}", f"Bearer {TOKEN}")
    path.write_bytes(archive(("GET", url, body, f"Bearer {TOKEN}"), call, call))
    code, out, err = run("validate", "telepath", "--operation", "listTrunks", str(path))
    assert (code, err) == (1, "")
    assert "\nleft out      2 exchanges of operations that --operation does not name: listCalls 2\n" in out
    assert ("NOT JUDGED" in out, out.count("listCalls")) == (False, 1)
    assert "/v1/trunks?limit=1" not in out, "the address was recorded somewhere else"
    assert TOKEN not in out
    report = document(run("validate", "telepath", "--operation", "listTrunks", str(path), "--format", "json")[1])
    assert (report["other_operations"], report["skipped"]) == ([{"operation": "listCalls", "count": 2}], 0)
    code, out, err = run("validate", "telepath", "--operation", "getCall", str(path))
    assert (code, out) == (2, "")
    named = (
        "no exchange is for telepath, and of an operation that --operation names; of other operations: 3 (listTrunks"
    )
    assert named in sentence(err)


def test_a_process_substitution_is_a_source_and_a_named_pipe_is_not(run: Run, vendor: Vendor, tmp_path: Path) -> None:
    """The shell's own pipe has a writer; a named pipe may never have one."""
    (tmp_path / "whole").write_bytes(saved_response(vendor)[1])
    line = f"exec {sys.executable} -m trunkline.cli validate {vendor.name} <(cat {tmp_path}/whole)"
    assert subprocess.run(["bash", "-c", line], check=False, env=environment(), capture_output=True).returncode == 0
    os.mkfifo(tmp_path / "pipe")
    code, _, err = run("validate", vendor.name, str(tmp_path / "pipe"))
    assert (code, "is a named pipe" in sentence(err)) == (2, True)


def test_standard_input_is_a_source(vendor: Vendor) -> None:
    """`curl -i ... | trunkline validate VENDOR -`."""
    process = start("validate", vendor.name, "-", stdin=subprocess.PIPE)
    out, err = process.communicate(saved_response(vendor)[1].decode(), timeout=60)
    assert (process.returncode, err) == (0, "")
    assert "no finding" in out


def test_one_live_response_is_judged(run: Run, vendor: Vendor) -> None:
    """The request is known, so every rule is applied that a plain request can break."""
    for operation in vendor.contract.operations:
        if operation.reads:
            code, out, _ = run("validate", vendor.name, operation.operation_id, "--live", "--format", "json")
            report = document(out)
            assert (code, report["requests"], report["verdict"]) == (0, 1, "kept")
            assert {entry["operation"] for entry in report["exercised"]} == {operation.operation_id}
            reasons = {entry["reason"] for entry in report["not_exercised"]}
            assert reasons <= {"a plain request does not exercise it"}


def test_a_live_response_that_refuses_the_credential_ends_with_2(run: Run, vendor: Vendor) -> None:
    """A 401 is documented, but it says nothing about the operation, so it is not reported as success."""
    operation = next(found for found in vendor.contract.operations if isinstance(found.kind, List))
    arguments = ("validate", vendor.name, operation.operation_id, "--live", "--token", TOKEN)
    code, out, err = run(*arguments)
    progress, error = err.splitlines()
    assert (code, progress) == (2, f"asking {vendor.name} at the built-in mock")
    assert f"{operation.operation_id} refuses the credential with 401: give the right one with --token" in error
    assert "verdict       NOT EXERCISED" in out
    assert document(run(*arguments, "--format", "json")[1])["verdict"] == "not exercised"
    assert "hush" not in out + err


def test_a_live_request_without_its_credential_ends_with_2(
    run: Run, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A 401 is no refusal that was asked for, whatever else is wrong with the request, and whatever its token is."""
    arguments = ("validate", "telepath", "listTrunks", "--live", "--app", f"{project.name}:right")
    out_of_range = ("--param", "limit=101")
    code, _, err = run(*arguments, *out_of_range)
    assert (code, "in process (serve it at http://localhost/v1 to use its curl lines)\n" in err) == (0, True)
    monkeypatch.delenv("TRUNKLINE_TOKEN")
    answers = "listTrunks answers 401, since no credential was given; give one with --token or TRUNKLINE_TOKEN"
    refuses = "listTrunks refuses the credential with 401: give the right one"
    for more, why in (
        ((), answers),
        (out_of_range, answers),
        (("--token", "another", *out_of_range), refuses),
        (("--token", "1|another"), refuses),
    ):
        code, out, err = run(*arguments, *more)
        assert code == 2
        assert "verdict       NOT EXERCISED" in out
        assert why in err.splitlines()[-1]


def test_a_live_response_that_is_no_success_ends_with_2(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is known of the operation then, unless the request had to be refused, or named an unknown id."""
    good = mock.from_vendor(loader.load("talkover"))
    live = ("validate", "talkover", "--live", "--format", "json")
    assert run(*live, "getSipTrunk", "--param", "trunk_id=unknown")[0] == 0
    limits = good(Request("GET", "/sip-trunks")).headers
    forbidden = Response(403, limits, b'{"success":false,"message":"no","code":"FORBIDDEN"}')
    monkeypatch.setattr(mock, "from_vendor", lambda _: lambda _: forbidden)
    code, out, err = run(*live, "listSipTrunks")
    assert (code, document(out)["verdict"], document(out)["findings"]) == (2, "not exercised", [])
    assert "listSipTrunks answers 403" in err.splitlines()[-1]


def test_a_404_in_other_words_may_be_that_of_a_missing_operation(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The finding about the body says so."""
    telepath = mock.from_vendor(loader.load("telepath"))

    def unrouted(request: Request) -> Response:
        return replace(telepath(request), body=b'{"detail":"Not Found"}')

    monkeypatch.setattr(mock, "from_vendor", lambda _: unrouted)
    code, out, _ = run("validate", "telepath", "--live", "--format", "json", "getCall", "--param", "id=unknown")
    [found] = document(out)["findings"]
    assert (code, found["rule"]) == (1, "body_matches_schema")
    assert found["message"].endswith("(getCall may not be implemented: ask for an id that exists)")


def test_a_wait_is_announced(run: Run, vendor: Vendor) -> None:
    """A command that waits does not look as if it hung."""
    operation = next(found for found in vendor.contract.operations if isinstance(found.kind, List))
    fake, asked = mock.from_vendor(vendor), count()

    def busy(request: Request) -> Response:
        return fake(request) if next(asked) % 2 else Response(429, (("retry-after", "0.01"),))

    base = vendor.contract.base_path
    with server.running(server.asgi({base: busy})) as url:
        for command in (("validate", vendor.name, operation.operation_id, "--live"), ("check", vendor.name)):
            limits = () if command[0] == "validate" else ("--max-requests", "3")
            _, out, err = run(*command, "--url", url + base, "--token", vendor.world.token, *limits)
            assert "\nanswered 429: waiting 0.01 s before asking again\n" in err
            assert command[0] == "validate" or f"reached       {operation.operation_id}: 200 once, 429 " in out


SENT = {"integer": "1", "date-time": "2024-03-05", "string": "conn_abc123xyz"}


def test_parameters_of_a_live_request_are_sent_where_the_contract_has_them(run: Run) -> None:
    """They are in the query or in the path, percent-encoded."""
    for name in VENDORS:
        for operation in loader.load(name).contract.operations:
            for parameter in operation.parameters if operation.reads else ():
                schema = parameter.schema
                value = "no/such id" if parameter.location == "path" else SENT[schema.get("format", schema["type"])]
                value = schema["enum"][0] if "enum" in schema else value
                arguments = ("validate", name, operation.operation_id, "--live", "--param", f"{parameter.name}={value}")
                report = document(run(*arguments, "--format", "json")[1])
                expected = 404 if parameter.location == "path" else 200
                assert [entry["status"] for entry in report["reached"]] == [expected]
                assert report["findings"] == []


# --- export and rules -----------------------------------------------------------------------------------------------


def test_export_writes_the_document(run: Run, vendor: Vendor, tmp_path: Path) -> None:
    """It goes to standard output, or to a file."""
    code, out, err = run("export", vendor.name)
    assert (code, err) == (0, "")
    assert json.loads(out)["servers"] == [{"url": vendor.contract.url}]
    path = tmp_path / "openapi.json"
    path.write_text("an earlier one")
    (tmp_path / "link").hardlink_to(path)
    assert run("export", vendor.name, "-o", str(path), "--url", "http://h/x") == (0, "", "")
    assert json.loads(path.read_text("utf-8"))["servers"] == [{"url": "http://h/x"}]
    assert (tmp_path / "link").read_text() == "an earlier one", "the file was replaced whole, not written over"


def test_rules_lists_every_rule_law_and_check(run: Run) -> None:
    """Each has its statement, and is listed once."""
    code, out, err = run("rules")
    assert (code, err) == (0, "")
    for check in chain[Any](RULES, LAWS, STATEFUL_LAWS, CHECKS):
        assert out.count(f"\n  {check.name}\n") == out.count(f"\n  {check.name}\n      {check.statement}\n") == 1


def test_explain_prints_one_explanation(run: Run) -> None:
    """With the operations of all vendors or of one, their pages, and an example; without a name, all are listed."""
    code, out, err = run("explain", "page_holds_at_most_limit")
    assert (code, err) == (0, "")
    assert out.startswith("# page_holds_at_most_limit\n")
    assert "- telepath: [listTrunks], [listCalls]\n" in out
    assert "\n[listTrunks]: https://docs.telepathvoice.com/api-reference/trunks/list\n" in out
    assert "\nFINDING documented page_holds_at_most_limit\n" in out
    code, out, _ = run("explain", "known_id_is_answered", "talkover")
    assert (code, "telepath" in out, "- talkover: [getSipTrunk]\n" in out) == (0, False, True)
    code, out, _ = run("explain")
    for check in chain[Any](RULES, LAWS, STATEFUL_LAWS, CHECKS):
        assert out.count(f"\n  {check.name}\n      {check.statement}\n") == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ("page_hold_at_most_limit",),
            "'page_hold_at_most_limit' is no rule, law or check; did you mean page_holds_at",
        ),
        (("xyz",), "'xyz' is no rule, law or check; `trunkline explain` lists them\n"),
        (("ignored_auth", "acme"), "'acme' is not a vendor; there are: "),
    ],
)
def test_explain_knows_what_is_meant(run: Run, words: tuple[str, ...], sentence: str) -> None:
    """An unknown name is a mistake, with a suggestion where one is like it."""
    code, out, err = run("explain", *words)
    assert (code, out) == (2, "")
    assert err.startswith(f"trunkline: {sentence}")


# --- serve ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def served() -> Iterator[Callable[..., tuple[subprocess.Popen[str], Json]]]:
    """Start `trunkline serve`; each server ends with the test."""
    with ExitStack() as stack:
        yield lambda *arguments: stack.enter_context(serving(*arguments))


def test_serve_prints_addresses_and_stops_on_ctrl_c(served: Any) -> None:
    """The curl command of each vendor works, each refusal is explained, and the code after Ctrl-C is 0."""
    process, printed = served()
    assert printed["trunkline"] == trunkline.__version__
    assert set(printed["vendors"]) == set(VENDORS)
    for name, place in printed["vendors"].items():
        vendor = loader.load(name)
        assert place["url"] == printed["url"] + vendor.contract.base_path
        assert place["token"] == vendor.world.token
        answer = subprocess.run(["bash", "-c", place["curl"]], capture_output=True, text=True, check=True)
        assert " 200 " in answer.stdout.splitlines()[0]
        refused = re.sub(r'-H "[^"]*"', "", place["curl"])
        subprocess.run(["bash", "-c", refused], capture_output=True, check=True)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    assert (process.returncode, out) == (0, "")
    for name, place in printed["vendors"].items():
        assert f"\n{name}\n  url    {place['url']}\n  token  {place['token']}\n  try    {place['curl']}\n" in err
    assert err.count("refused: credentials_missing") == len(VENDORS)
    assert f"\nin a browser\n  page   {printed['page']}\n" in err
    assert "Ctrl-C stops" in err
    assert "warning" not in err


def test_serve_logs_each_request_once_if_it_is_verbose(served: Any) -> None:
    """With -v each request is one line, which has the refusal too; without, only refused ones are logged."""
    for options, answered in ((("-v",), 1), ((), 0)):
        process, printed = served("telepath", *options)
        place = printed["vendors"]["telepath"]
        answer = subprocess.run(["bash", "-c", place["curl"]], capture_output=True, text=True, check=True)
        assert " 200 " in answer.stdout.splitlines()[0]
        for url in (f"{place['url']}/trunks", f"{printed['url']}/v2/trunks"):
            subprocess.run(["curl", "-s", url], capture_output=True, check=True)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=10)
        assert (
            len(re.findall(r"^[\d:.]{12} GET /v1/trunks listTrunks 200 [\d.]+ ms main$", err, re.MULTILINE)) == answered
        )
        assert err.count("credentials_missing") == 1
        assert err.count("a request got 404: nothing is served here; every path begins with /v1/") == 1
        assert err.count(place["token"]) == 2  # in the announcement


def test_serve_cannot_be_quiet_and_verbose(capsys: pytest.CaptureFixture[str]) -> None:
    """Two options that contradict each other are refused in one sentence."""
    assert cli.run(["serve", "--quiet", "-v"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "trunkline: --quiet prints nothing, and --verbose each request; leave one of them out"
    ]


def test_serve_says_once_that_no_more_files_can_be_opened_even_if_it_is_quiet() -> None:
    """Clients are answered in turn by a process that may open 48 files."""
    limit = partial(resource.setrlimit, resource.RLIMIT_NOFILE, (48, 48))
    with serving("--quiet", preexec_fn=limit) as (process, printed), ExitStack() as stack:
        place = ("127.0.0.1", urlsplit(printed["url"]).port or 0)
        clients = [stack.enter_context(socket.create_connection(place, timeout=30)) for _ in range(80)]
        for client in clients:
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert [client.recv(15) for client in clients] == [b"HTTP/1.1 200 OK"] * 80
        process.terminate()
        err = process.communicate(timeout=10)[1]
    assert err.count("\n") == 1
    assert "the process may open no more files (ulimit -n); further clients wait" in err


BROKEN = """
from trunkline import cli
from trunkline.mock import Mock

def fail(*_):
    raise ZeroDivisionError("hush")

Mock.find = Mock.answer = fail
cli.main(["serve", "--port", "0", *{options}])
"""


@pytest.mark.slow_for("1-options1", "1-options2")
@pytest.mark.parametrize("options", [[], ["--quiet"], ["-v"]])
@pytest.mark.parametrize("debug", ["", "1"])
def test_a_bug_while_serving_is_one_sentence(options: list[str], debug: str) -> None:
    """The client gets a 500, and the server goes on; TRUNKLINE_DEBUG shows the traceback."""
    command = [sys.executable, "-c", BROKEN.format(options=options)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(TRUNKLINE_DEBUG=debug)
    ) as process:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["vendors"][VENDORS[0]]["url"]
        for _ in range(2):
            assert requests.get(f"{url}/x", timeout=10).status_code == 500
        process.terminate()
        _, err = process.communicate(timeout=10)
    sentence = "trunkline: ZeroDivisionError was not expected; this is a bug in trunkline; TRUNKLINE_DEBUG=1 shows it"
    assert err.splitlines().count(sentence) == (0 if debug else 2)
    assert (err.count("Traceback"), "hush" in err) == ((2, True) if debug else (0, False))


def test_serve_can_be_quiet_and_warns_about_other_machines(served: Any) -> None:
    """The line of JSON is printed all the same."""
    process, printed = served(VENDORS[0], "--quiet")
    assert list(printed["vendors"]) == [VENDORS[0]]
    subprocess.run(
        ["bash", "-c", re.sub(r'-H "[^"]*"', "", printed["vendors"][VENDORS[0]]["curl"])],
        check=True,
        capture_output=True,
    )
    process.terminate()
    assert process.communicate(timeout=10)[1] == ""
    process, printed = served("--host", "0.0.0.0")  # noqa: S104 - that is what it is about
    assert printed["url"].startswith("http://127.0.0.1:")
    process.terminate()
    assert "warning: 0.0.0.0 lets other machines use the mock" in process.communicate(timeout=10)[1]


def test_serve_uses_fixtures_for_their_vendor(served: Any, run: Run, tmp_path: Path) -> None:
    """A vendor without a folder keeps its own records; a folder for no vendor is an error."""
    code, _, err = run("serve", "--fixtures", str(tmp_path))
    assert (code, "has no folder named" in sentence(err)) == (2, True)
    name = VENDORS[0]
    vendor = loader.load(name)
    [collection, *_] = vendor.world.collections
    identity = vendor.world.collections[collection].identity
    record = {**vendor.world.collections[collection].records[0], identity: "mine-alone"}
    (tmp_path / name).mkdir()
    (tmp_path / name / f"{collection}.json").write_text(json.dumps([record]))
    _, printed = served("--fixtures", str(tmp_path), "--trunks", "0")
    assert set(printed["vendors"]) == set(VENDORS)
    answer = subprocess.run(
        ["bash", "-c", printed["vendors"][name]["curl"]], capture_output=True, text=True, check=True
    )
    assert "mine-alone" in answer.stdout


def test_serve_accepts_the_tokens_that_are_given(served: Any) -> None:
    """For all vendors, for one, and for a new account; they are shown where they are announced, and nowhere else."""
    tokens = ("sk_test_0123456789", "telepath/other=sk_other_0123456789", "talkover=c2VjcmV0LWtleQ==", "dGVzdA==")
    process, printed = served(*(word for token in tokens for word in ("--token", token)))
    clients = {
        (name, token): Client(loader.load(name), targets.http(printed["vendors"][name]["url"]), token)
        for name in ("telepath", "talkover")
        for token in ("", "sk_test_0123456789", "sk_other_0123456789", "c2VjcmV0LWtleQ==", "dGVzdA==")
    }
    status = {key: client.ask("GET", client.path, query="limit=1").status for key, client in clients.items()}
    assert [key for key, code in status.items() if code != 200] == [
        ("telepath", "c2VjcmV0LWtleQ=="),
        ("talkover", "sk_other_0123456789"),
    ]
    other = clients["telepath", "sk_other_0123456789"]
    assert other.listed() == {}
    made = other.created("user-1")
    assert [*other.listed()] == [made]
    assert made not in clients["telepath", ""].listed()
    assert other.ask("GET", other.path, query="limit=sk_other_0123456789&status=sk_test_0123456789").status == 400
    for place in printed["vendors"].values():
        assert place["token"] == "sk_test_0123456789"
        answer = subprocess.run(["bash", "-c", place["curl"]], capture_output=True, text=True, check=True)
        assert " 200 " in answer.stdout.splitlines()[0]
    process.terminate()
    err = process.communicate(timeout=10)[1]
    announced, logged = err.split("Ctrl-C stops")
    assert (announced.count("sk_test_0123456789"), announced.count("sk_other")) == (4, 0)
    assert "limit=***" in logged
    assert "0123456789" not in logged


@pytest.mark.slow
def test_serve_announces_the_first_token_that_is_given_and_never_a_live_one(served: Any) -> None:
    """Also one of another account; the environment can give it, but not under the name of a live credential."""
    _, printed = served("telepath", "--token", "talkover=talq_1", "--token", "telepath/other=sk_2", "--token", "sk_1")
    place = printed["vendors"]["telepath"]
    assert place["token"] == "sk_2"
    answer = subprocess.run(["bash", "-c", place["curl"]], capture_output=True, text=True, check=True)
    assert '"total":0' in answer.stdout
    for name, value in (("TRUNKLINE_TOKEN", TOKEN), ("TRUNKLINE_ACCEPT_TOKEN", "telepath=sk_3 talkover=talq_3")):
        with serving(environ={name: value}) as (process, printed):
            process.terminate()
            err = process.communicate(timeout=10)[1]
        shown = {vendor: place["token"] for vendor, place in printed["vendors"].items()}
        live = name == "TRUNKLINE_TOKEN"
        assert shown == {
            "telepath": loader.load("telepath").world.token if live else "sk_3",
            "talkover": loader.load("talkover").world.token if live else "talq_3",
        }
        assert TOKEN not in err + json.dumps(printed)


def test_serve_uses_the_tokens_of_fixtures(served: Any, run: Run, tmp_path: Path) -> None:
    """A folder with world.toml alone is one; a mistake in it, or a `--token` that contradicts it, is one sentence."""
    (tmp_path / "telepath").mkdir()
    world = tmp_path / "telepath" / "world.toml"
    world.write_text('rate_limit = 3\n[[tokens]]\ntoken = "sk_ours"\naccount = "ours"\n')
    _, printed = served("--fixtures", str(tmp_path))
    vendor = loader.load("telepath")
    client = Client(vendor, targets.http(printed["vendors"]["telepath"]["url"]), "sk_ours")
    assert client.listed() == {}
    assert [client.ask("GET", client.path).status for _ in range(3)] == [200, 200, 429]
    assert printed["vendors"]["telepath"]["token"] == vendor.world.token, "the first of the default account"
    code, out, err = run("serve", "--fixtures", str(tmp_path), "--token", "telepath=sk_ours")
    assert (code, out) == (2, "")
    assert "the account 'main' of telepath a token that opens 'ours' already" in sentence(err)
    world.write_text('[[tokens]]\ntoken = "sk hush"\naccount = "ours"\n')
    code, out, err = run("serve", "--fixtures", str(tmp_path))
    assert (code, out) == (2, "")
    assert f"{world}#/tokens/0/token: does not match " in sentence(err)
    assert "hush" not in err


def test_serve_documents_the_code_after_ctrl_c(run: Run) -> None:
    """The code is 0, unlike the 130 of a command that was interrupted before it was done."""
    assert "until Ctrl-C or SIGTERM; then the exit code is 0" in " ".join(run("serve", "--help")[1].split())


def test_a_port_in_use_is_one_sentence(run: Run) -> None:
    """Another port is suggested."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, out, err = run("serve", VENDORS[0], "--port", port)
    assert (code, out) == (2, "")
    assert f"port {port} of 127.0.0.1 is in use" in sentence(err)


@pytest.mark.slow_for("telepath")
@pytest.mark.parametrize("call", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_a_check_at_once(vendor: Vendor, call: signal.Signals) -> None:
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
    assert "it was interrupted" in out
    assert "Traceback" not in err


@pytest.mark.slow
@pytest.mark.parametrize("call", [signal.SIGINT, signal.SIGTERM, None])
def test_a_stopped_check_deletes_what_it_created(served: Any, call: signal.Signals | None, tmp_path: Path) -> None:
    """After a signal, or when the output is closed, the trunks are those of before, and the ledger is gone."""
    _, printed = served("talkover", "--quiet")  # nobody reads its log of refusals
    vendor = loader.load("talkover")
    target = targets.http(printed["vendors"]["talkover"]["url"])

    def trunks() -> Any:
        auth = (("authorization", f"Bearer {vendor.world.token}"),)
        return target(Request("GET", "/sip-trunks", "", auth)).json()["data"]

    before, ledger = trunks(), tmp_path / "ledger.db"
    process = start(
        *("check", "talkover", "--url", target.base, "--allow-writes", "--ledger", str(ledger), "--seed", "1"),
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
    assert (trunks(), ledger.exists()) == (before, False)


@pytest.mark.slow
@pytest.mark.slow_for("0.05")
@pytest.mark.parametrize("gap", [0.005, 0.05])
def test_a_second_signal_changes_nothing(gap: float, broken: str, vendor: Vendor) -> None:
    """The code is 130, no traceback is shown, and the report is printed."""
    arguments = (
        "--app",
        broken,
        "--token",
        vendor.world.token,
        "--allow-writes",
        "--seed",
        "1",
        "--examples",
        "100000",
    )
    process = start("check", vendor.name, *arguments)
    assert process.stderr is not None
    for _ in range(6):
        process.stderr.readline()
    process.send_signal(signal.SIGINT)
    time.sleep(gap)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, "Traceback" in err) == (130, False), err
    assert "verdict" in out or "interrupted" in err


def test_an_interruption_that_python_drops_still_ends_a_check(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python drops an exception in a callback of the garbage collector; the next request ends the run, with 130."""
    from trunkline.check import strategies  # noqa: PLC0415 - where Hypothesis installs such a callback

    searched = strategies.search
    sent: list[bool] = []

    def drop(phase: str, _: object) -> None:
        if not sent:
            sent.append(True)
            signal.raise_signal(signal.SIGINT)

    def searching(*arguments: Any, **more: Any) -> Any:
        gc.callbacks.append(drop)
        gc.collect()
        gc.callbacks.remove(drop)
        return searched(*arguments, **more)

    monkeypatch.setattr("trunkline.check.laws.paging.search", searching)
    code, out, err = run("check", "telepath", "--format", "json")
    assert sent
    assert (code, document(out)["complete"]) == (130, False)
    assert "Traceback" not in err
    assert "ignored" not in err


def test_a_second_ctrl_c_before_the_first_is_reported_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may come when the command has ended, but its sentence is not printed yet: the code is 130."""

    def interrupted(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "run", interrupted)
    monkeypatch.setattr(sys, "stdout", StringIO())
    handler = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(SystemExit) as ended:
            cli.main([])
    finally:
        signal.signal(signal.SIGINT, handler)
    assert ended.value.code == 130
