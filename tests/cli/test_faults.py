"""`trunkline faults`, and the options of `trunkline serve` that set faults."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

import requests
from tests.servers import serving
from trunkline.cli import run
from trunkline.mock.faults import scenarios


def test_the_scenarios_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """Each with what happens, what a good client does, and its faults."""
    assert run(["faults"]) == 0
    out = capsys.readouterr().out
    for one in scenarios().values():
        assert f"{one.name}\n    {one.summary}\n    A good client {one.client}\n      " in out


def test_one_scenario_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """And no other; an unknown name is a mistake."""
    assert run(["faults", "lost-answer"]) == 0
    assert capsys.readouterr().out.splitlines()[::3] == ["lost-answer", "      create: lose-answer x1"]
    assert run(["faults", "lost-answr"]) == 2
    assert "'lost-answr' is no scenario; did you mean lost-answer?" in capsys.readouterr().err


def test_the_schema_is_that_of_a_file_of_faults(capsys: pytest.CaptureFixture[str]) -> None:
    """It accepts what the mock accepts, and refuses an unknown key."""
    assert run(["faults", "--schema"]) == 0
    validator = jsonschema.Draft202012Validator(json.loads(capsys.readouterr().out))
    validator.check_schema(validator.schema)
    step = {"status": 429, "retry_after": 1}
    assert validator.is_valid({"faults": ["503", {"operation": "list", "delay": "uniform(1,2)", "then": [step]}]})
    assert not validator.is_valid({"faults": [{"statos": 503}]})


def test_a_server_begins_with_the_faults_of_its_options(tmp_path: Path) -> None:
    """Options, a file and scenarios set them in this order; each is named on standard error, and listed over HTTP."""
    path = tmp_path / "faults.toml"
    path.write_text('[[faults]]\noperation = "listTrunks"\nstatus = 500\ntimes = 1\n')
    options = ("--fault", "listTrunks: 503 x1", "--faults", str(path), "--scenario", "half-a-page")
    with serving("telepath", *options) as (process, line):
        place = line["vendors"]["telepath"]
        headers = {"Authorization": f"Bearer {place['token']}"}
        statuses = [requests.get(f"{place['url']}/trunks", headers=headers, timeout=10).status_code for _ in range(2)]
        assert statuses == [503, 500]
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            requests.get(f"{place['url']}/trunks", headers=headers, timeout=10)
        found = requests.get(f"{line['url']}/_trunkline/faults", timeout=10).json()["faults"]
        assert [(fault["used"], fault["scenario"]) for fault in found] == [(1, ""), (1, ""), (1, "half-a-page")]
        process.terminate()
        _, err = process.communicate(timeout=10)
    assert "fault 1: listTrunks: 503 x1\nfault 2: listTrunks: 500 x1\nfault 3 of half-a-page: list: " in err


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            ("--fault", "listTrunk: 503"),
            "--fault 'listTrunk: 503': 'listTrunk' is no operation; did you mean listTrunks?",
        ),
        (("--fault", "listTrunks: 503 y"), "--fault, column 17 of 'listTrunks: 503 y': 'y' is no effect; there are"),
        (("--scenario", "lost-answr"), "'lost-answr' is no scenario; did you mean lost-answer?"),
        (("--faults", "/nowhere.toml"), "/nowhere.toml: cannot be read"),
    ],
)
def test_a_mistake_ends_the_start(capsys: pytest.CaptureFixture[str], options: tuple[str, ...], sentence: str) -> None:
    """Exit code 2, and one sentence."""
    assert run(["serve", "telepath", "--port", "0", *options]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"trunkline: {sentence}")
    assert err.count("\n") == 1
