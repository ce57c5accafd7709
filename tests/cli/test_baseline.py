"""The options `--baseline` and `--update-baseline` of `trunkline check` and `trunkline validate`."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema_rs
import pytest

import trunkline
from tests.cli.conftest import FUZZ, TOKEN
from trunkline.check.runner import Checker
from trunkline.cli import run

pytestmark = pytest.mark.usefixtures("project")
SCHEMA = json.loads((Path(trunkline.__file__).parent / "report/report.schema.json").read_text("utf-8"))


def check(project: Path, app: str, *options: str) -> int:
    """Check one operation of an implementation."""
    few = ("--operation", "listTrunks", "--examples", "1", "--seed", "1")
    return run(["check", "telepath", "--app", f"{project.name}:{app}", *few, *options])


def with_a_reason(path: Path) -> None:
    """Somebody writes a reason for each new entry."""
    path.write_text(path.read_text("utf-8").replace("TODO: ", "ticket 4711, "), "utf-8")


@pytest.mark.slow
def test_a_baseline_is_written_filled_and_used(
    project: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run that writes it fails still; with reasons the next one does not; what is new fails, what is gone is stale.

    The credential, which the implementation shows as a provider, is in none of it.
    """
    file = project / "known.toml"
    use = ("--baseline", "known.toml", "--format", "json")
    assert check(project, "busy", *use) == 2
    assert "'known.toml' cannot be read: there is no such file; --update-baseline writes it" in capfd.readouterr().err
    assert check(project, "busy", *use, "--update-baseline") == 1
    assert "known.toml: 1 new entry, which needs a reason; none removed, none kept\n" in capfd.readouterr().err
    assert check(project, "busy", *use) == 1
    with_a_reason(file)
    capfd.readouterr()
    assert check(project, "busy", *use) == 0
    document = json.loads(capfd.readouterr().out)
    jsonschema_rs.Draft202012Validator(SCHEMA).validate(document)
    (finding,) = document["findings"]
    assert (document["verdict"], finding["fails"], finding["known"]["place"]) == ("kept", False, "known.toml:4")
    assert finding["known"]["reason"] == "ticket 4711, why is it known, and who fixes it?"
    assert check(project, "worse", *use) == 1
    monkeypatch.setattr(Checker, "fuzz", FUZZ)  # only what was exercised in full can be called stale
    assert check(project, "worse", *use, "--update-baseline") == 1
    out, err = capfd.readouterr()
    assert TOKEN not in out + err + file.read_text("utf-8")
    assert check(project, "right", *use) == 0
    line, _ = json.loads(capfd.readouterr().out)["stale"]
    assert line == "known.toml:4: body_matches_schema of listTrunks was not found; remove the entry"
    assert check(project, "right", *use, "--update-baseline") == 0
    assert "[[known]]" not in file.read_text("utf-8")


def test_the_text_shows_what_is_known(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """As it is found, and in the verdict."""
    check(project, "busy", "--baseline", "known.toml", "--update-baseline")
    with_a_reason(project / "known.toml")
    capfd.readouterr()
    assert check(project, "busy", "--baseline", "known.toml", "--fail-fast") == 0
    out = capfd.readouterr().out
    assert out.startswith("known implied body_matches_schema\n  listTrunks body/trunks/0/ai_provider: ")
    assert "no finding at strictness implied, no notes, 1 known" in out


def test_recorded_responses_have_known_findings_too(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """`validate` reads and writes the same file."""
    trunk = {"id": "a", "name": "b", "status": "busy"}
    (project / "a.json").write_text(json.dumps({"trunks": [trunk], "pagination": {}}))
    options = ["validate", "telepath", "listTrunks", "a.json", "--baseline", "known.toml"]
    assert run([*options, "--update-baseline"]) == 1
    with_a_reason(project / "known.toml")
    assert run(options) == 0
    (project / "a.json").write_text(json.dumps({"trunks": [{**trunk, "status": None}], "pagination": {}}))
    capfd.readouterr()
    assert run(options) == 1
    assert "\n  seen     null\n" in capfd.readouterr().out


def test_there_is_no_update_without_a_file(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """One sentence says so."""
    assert check(project, "right", "--update-baseline") == 2
    assert capfd.readouterr().err == "trunkline: --update-baseline writes the file of --baseline; name it\n"


def test_a_mistake_in_the_file_ends_the_run_before_it_begins(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Standard output stays empty."""
    (project / "known.toml").write_text('\n[[known]]\nrule = "x"\n')
    assert check(project, "right", "--baseline", "known.toml") == 2
    out, err = capfd.readouterr()
    assert (out, err) == ("", "trunkline: known.toml:2: the entry has no operation\n")
