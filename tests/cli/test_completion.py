"""Tests of `trunkline.cli.completion`: what a shell offers after the words of a command line."""

from __future__ import annotations

import subprocess
import sys

import pytest
from click.shell_completion import ShellComplete

from tests.servers import environment
from trunkline.cli import cli
from trunkline.contract import folders
from trunkline.mock import loader

VENDORS = folders.names()
OPERATIONS = {name: [each.operation_id for each in loader.load(name).contract.operations] for name in VENDORS}


def offered(*words: str) -> list[tuple[str, str]]:
    """The (type, value) of each completion of the last word."""
    *before, beginning = words
    completions = ShellComplete(cli, {}, "trunkline", "_TRUNKLINE_COMPLETE").get_completions(before, beginning)
    return [(item.type, item.value) for item in completions]


def plain(*values: str) -> list[tuple[str, str]]:
    """Completions that are words."""
    return [("plain", value) for value in values]


@pytest.mark.parametrize("command", ["serve", "reset", "check", "validate", "export"])
def test_vendors_are_offered(command: str) -> None:
    """Each command that takes a vendor offers the names, as far as they begin like the word."""
    assert offered(command, "") == plain(*VENDORS)
    assert offered(command, VENDORS[0][:3]) == plain(VENDORS[0])


@pytest.mark.parametrize("vendor", VENDORS)
def test_operations_are_offered(vendor: str) -> None:
    """As the first word of validate, and for --operation; those of the vendor that was named."""
    names = OPERATIONS[vendor]
    assert offered("validate", vendor, "") == plain(*names)
    for command in ("check", "validate"):
        assert offered(command, vendor, "--operation", names[0]) == plain(names[0])
    assert offered("check", vendor, "--require", "") == plain(*names, "all")
    assert offered("check", "nobody", "--operation", "") == []


def test_files_are_offered() -> None:
    """For sources, and for options that name a file or a folder: the shell completes them itself."""
    assert offered("validate", VENDORS[0], "./a") == [("file", "./a")]
    assert offered("validate", VENDORS[0], OPERATIONS[VENDORS[0]][0], "") == [("file", "")]
    assert offered("validate", VENDORS[0], "--operation", OPERATIONS[VENDORS[0]][0], "") == [("file", "")]
    assert offered("check", VENDORS[0], "--token-file", "x") == [("file", "x")]
    assert offered("serve", "--fixtures", "") == [("dir", "")]


def test_values_of_options_are_offered() -> None:
    """Choices, and the parameters that the command sends."""
    assert offered("check", "telepath", "--strictness", "") == plain("documented", "implied", "customary")
    assert offered("check", "telepath", "--param", "") == plain("id=")
    assert offered("check", "telepath", "--report", "j") == plain("json=", "junit=")
    assert ("plain", "limit=") in offered("validate", "telepath", "--param", "")
    assert offered("check", "telepath", "--url", "") == []


def test_a_broken_folder_of_vendors_offers_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake is for the command to report, not for a completion."""
    monkeypatch.setenv("TRUNKLINE_DATA", "/not/there")
    assert offered("check", "") == offered("check", "telepath", "--operation", "") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_asks_for_completions(shell: str) -> None:
    """The command prints it, and answers its questions without loading anything slow."""

    def run(code: str, **environ: str) -> str:
        command = [sys.executable, "-c", code]
        return subprocess.run(command, capture_output=True, text=True, check=True, env=environment(**environ)).stdout

    main = "from trunkline.cli import main; main()"
    assert f"_TRUNKLINE_COMPLETE={shell}_complete" in run(main, _TRUNKLINE_COMPLETE=f"{shell}_source")
    asked = {"COMP_WORDS": "trunkline val", "COMP_CWORD": "1" if shell != "fish" else "val"}
    code = f"import atexit, sys; atexit.register(lambda: print(*sys.modules)); {main}"
    out = run(code, _TRUNKLINE_COMPLETE=f"{shell}_complete", **asked)
    assert "validate" in out.splitlines()[0] + out.splitlines()[1]
    slow = {"rich", "schemathesis", "hypothesis", "starlette", "uvicorn", "jsonschema_rs", "asyncio", "pytest"}
    assert not slow & {*out.splitlines()[-1].split()}
