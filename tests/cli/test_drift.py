"""`trunkline drift`: what it prints, its exit codes, and what it writes."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.recordings import PAGE, har, joined
from trunkline.cli import drift as drift_command
from trunkline.cli import run
from trunkline.exchange import Json
from trunkline.mock import loader

ROOT = Path(__file__).parents[2]
CANARY = "canary-4711-sesame"
TRUNK = {
    "id": "conn_1",
    "name": "North",
    "status": "active",
    "ai_provider": "openai",
    "sip_username": "north",
    "created_at": "2026-01-01T00:00:00Z",
    "updated_at": "2026-01-01T00:00:00Z",
    "metrics": {"calls_today": 1, "success_rate": 99.0, "avg_latency_ms": 80},
}


def page(**changes: Json) -> str:
    """The body of a list of one trunk, which was changed."""
    return json.dumps({**json.loads(PAGE), "trunks": [{**TRUNK, **changes}]})


def dated(value: Json, time: str) -> Json:
    """The recording with the time of each request."""
    for entry in value["log"]["entries"]:
        entry["startedDateTime"] = time
    return value


HEADERS = (
    ("Content-Type", "application/json"),
    ("X-RateLimit-Limit", "60"),
    ("X-RateLimit-Remaining", "59"),
    ("X-RateLimit-Reset", "1795888800"),
)
Save = Callable[..., str]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """A function that saves a recording of some bodies."""

    def save(*bodies: str, name: str = "session.har", **facts: Any) -> str:
        path = tmp_path / name
        facts = {"received": HEADERS, **facts}
        path.write_text(json.dumps(joined(*(har(body, **facts) for body in bodies))), "utf-8")
        return str(path)

    return save


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a vendor of one's own, `acme`."""
    for kind in ("schemas", "fixtures"):
        shutil.copytree(ROOT / kind / "telepath", tmp_path / "data" / kind / "acme")
    monkeypatch.setenv("TRUNKLINE_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def test_drift_is_shown_with_its_patch(save: Save, capsys: pytest.CaptureFixture[str]) -> None:
    """What breaks a client comes first, and ends with 1; the verdict is last."""
    assert run(["drift", "telepath", save(page(region="eu", status="busy"))]) == 1
    out = capsys.readouterr().out
    places = [
        out.index(text)
        for text in ("BREAKING value", "change property", "+++ b/schemas/telepath/trunk.json", "verdict")
    ]
    assert places == sorted(places)
    assert out.endswith("verdict       the API DIFFERS from the contract: 1 of 2 changes breaks a client\n")


@pytest.mark.parametrize(
    ("changes", "options", "code"),
    [
        ({}, [], 0),
        ({"region": "eu"}, [], 0),
        ({"region": "eu"}, ["--any"], 1),
        ({}, ["--any"], 0),
        ({"status": "busy"}, [], 1),
        ({"status": "busy"}, ["--operation", "listTrunks"], 1),
    ],
)
def test_the_exit_code_says_whether_a_client_breaks(save: Save, changes: Json, options: list[str], code: int) -> None:
    """With `--any`, whether anything has changed."""
    assert run(["drift", "telepath", save(page(**changes)), *options]) == code


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_is_one_sentence(
    save: Save, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """By Ctrl-C or SIGTERM: the code is 130."""
    monkeypatch.setattr(drift_command, "drift_files", lambda *_, **__: signal.raise_signal(number))
    assert run(["drift", "telepath", save(page())]) == 130
    assert capsys.readouterr() == ("", "trunkline: interrupted\n")
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_the_document_has_everything(save: Save, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its members are those that docs/drift.md lists."""
    one, two = (
        dated(har(page(status=word), received=HEADERS), f"2026-11-0{day}T10:00:00Z")
        for day, word in ((3, "busy"), (1, "busy"))
    )
    path = tmp_path / "dated.har"
    path.write_text(json.dumps(joined(one, two)), "utf-8")
    assert run(["drift", "telepath", str(path), "--format", "json"]) == 1
    value = json.loads(capsys.readouterr().out)
    [change] = value["changes"]
    text = (ROOT / "docs" / "drift.md").read_text("utf-8").partition("## As JSON")[2]
    assert [name for name in (*value, *change) if f"`{name}`" not in text] == []
    assert (value["verdict"], value["counts"], value["responses"]) == ("breaking", {"breaking": 1, "other": 0}, 2)
    assert (change["first"], change["last"], change["count"]) == ("2026-11-01T10:00:00Z", "2026-11-03T10:00:00Z", 2)
    assert (change["source"], change["grade"], change["in_patch"]) == (f"{path}:1 (#/log/entries/0)", "implied", True)
    assert '+      "enum": ["active", "inactive", "error", "busy"],' in value["patch"]


def test_the_patch_file_applies(save: Save, own: Path, tmp_path: Path) -> None:
    """With the tools that people have."""
    recording, patch = save(page(region="eu", status="busy")), tmp_path / "drift.patch"
    patch.write_text("an earlier one")
    (tmp_path / "link").hardlink_to(patch)
    assert run(["drift", "acme", recording, "--patch", str(patch)]) == 1
    assert (tmp_path / "link").read_text() == "an earlier one", "the file was replaced whole, not written over"
    subprocess.run(["git", "apply", str(patch)], cwd=own, check=True)
    assert run(["drift", "acme", recording, "--any"]) == 0


def test_write_changes_the_files_of_ones_own(save: Save, own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Afterwards they load with their lint, and the same recording shows no drift."""
    recording = save(page(region="eu", status="busy", name=None))
    assert run(["drift", "acme", recording, "--write"]) == 1
    captured = capsys.readouterr()
    assert captured.err == f"written: {own / 'schemas' / 'acme' / 'trunk.json'}\n"
    assert "+++" not in captured.out
    assert loader.load("acme", lint=True).contract.vendor == "acme"
    assert run(["drift", "acme", recording, "--any", "--write"]) == 0


def test_shipped_files_are_never_written(save: Save, capsys: pytest.CaptureFixture[str]) -> None:
    """The sentence says what to do instead."""
    before = (ROOT / "schemas" / "telepath" / "trunk.json").read_bytes()
    assert run(["drift", "telepath", save(page(status="busy")), "--write"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("trunkline: the contract of telepath ships with trunkline, and --write changes only")
    assert f"--patch FILE; or copy schemas/telepath and fixtures/telepath of {ROOT}, under" in captured.err
    assert (ROOT / "schemas" / "telepath" / "trunk.json").read_bytes() == before


def test_two_recordings_are_compared(save: Save, capsys: pytest.CaptureFixture[str]) -> None:
    """There is no patch then."""
    old = save(page(region="eu", status="busy"), name="old.har")
    new = save(page(status="busy"), name="new.har")
    assert run(["drift", "telepath", new, "--against", old]) == 1
    out = capsys.readouterr().out
    assert out.startswith("BREAKING property_gone\n  listTrunks 200 body/trunks/*/region: ")
    assert "+++" not in out
    assert run(["drift", "telepath", old, "--against", old]) == 0
    capsys.readouterr()
    assert run(["drift", "telepath", new, "--against", old, "--format", "json"]) == 1
    value = json.loads(capsys.readouterr().out)
    assert (value["against"], value["patch"], [change["in_patch"] for change in value["changes"]]) == (
        "recording",
        "",
        [False],
    )


@pytest.mark.parametrize("format_", ["text", "json"])
def test_no_secret_is_printed(save: Save, tmp_path: Path, capsys: pytest.CaptureFixture[str], format_: str) -> None:
    """Wherever a recording has it: in headers, addresses, bodies, names of properties, and names of files."""
    sent = (("Authorization", f"Bearer {CANARY}"), ("X-Api-Key", f"{CANARY}-2"), ("Cookie", f"sid={CANARY}-3"))
    received = (*HEADERS, ("X-Auth-Token", f"{CANARY}-4"), ("X-Echo", f"was {CANARY}"))
    body = page(api_key=f"{CANARY}-5", note=f"Bearer {CANARY}", status=CANARY, password={"value": f"{CANARY}-6"})
    body = body.replace('"metrics"', f'"{CANARY}": 1, "metrics"')
    url = f"https://api.telepathvoice.com/v1/trunks?limit=10&access_token={CANARY}-7"
    recording = save(body, sent=sent, received=received, url=url)
    patch = tmp_path / "a.patch"
    assert run(["drift", "telepath", recording, "--format", format_, "--patch", str(patch)]) == 1
    captured = capsys.readouterr()
    assert "***" in captured.out
    assert CANARY not in captured.out + captured.err + patch.read_text("utf-8")


@pytest.mark.parametrize(
    ("sent", "query", "status", "received"),
    [
        (
            {"name": "n", "sip_password": CANARY, "ai_provider": "openai"},
            "",
            201,
            {"id": "x", "status": CANARY, "note": CANARY},
        ),
        (None, f"?api_key={CANARY}", 400, {"error": {"code": CANARY, "message": "x"}}),
        (None, "", 401, {"error": {"code": CANARY, "message": "x"}}),
    ],
)
def test_no_secret_of_a_request_that_cannot_be_judged_is_printed(
    sent: Json, query: str, status: int, received: Json, own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A write that must be refused, and one without its credential, may have a secret that the answer repeats."""
    headers = [["content-type", "application/json"]]
    url = f"https://api.telepathvoice.com/v1/trunks{query}"
    request = {"method": "POST" if sent else "GET", "url": url, "headers": [*headers, ["cookie", f"sid={CANARY}"]]}
    answer = {"status": status, "headers": headers, "body": json.dumps(received)}
    row = {"request": {**request, **({"body": json.dumps(sent)} if sent else {})}, "response": answer}
    recording = tmp_path / "rows.ndjson"
    recording.write_text(json.dumps(row) + "\n", "utf-8")
    for options in ([], ["--format", "json"], ["--write"]):
        assert run(["drift", "acme", str(recording), *options]) in {0, 1}
    captured = capsys.readouterr()
    schemas = [path.read_text("utf-8") for path in own.rglob("*.json")]
    assert not any(CANARY in text for text in (captured.out, captured.err, *schemas))


def test_what_cannot_be_read_is_listed(save: Save, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An exchange of another API, and a file that is no recording, hide nothing; without drift, the latter is 2."""
    picture = tmp_path / "a.png"
    picture.write_bytes(b"\x89PNG\r\n")
    other = save(PAGE, url="https://example.com/x", name="other.har")
    assert run(["drift", "telepath", str(picture), other, save(page())]) == 2
    out, err = capsys.readouterr()
    assert f"NOT JUDGED    {picture}: " in out
    assert "1 request to example.com, left out" in out
    missing = f"the run did not compare everything: nothing in {str(picture)!r} could be compared\n"
    assert out.endswith(f"no drift: the API is as the contract has it; {missing}")
    assert err == f"trunkline: {missing}"
    assert run(["drift", "telepath", str(picture), save(page(status="busy"))]) == 1


@pytest.mark.parametrize("option", [(), ("--against",)])
def test_a_recording_that_is_cut_off_shows_no_absence_of_drift(
    save: Save, tmp_path: Path, capsys: pytest.CaptureFixture[str], option: tuple[str, ...]
) -> None:
    """Neither the recording nor the older one: it may have gone on with a change."""
    whole = save(page())
    cut = tmp_path / "cut.har"
    cut.write_text(Path(whole).read_text("utf-8").rstrip()[:-1], "utf-8")
    sources = (whole, *option, str(cut)) if option else (str(cut),)
    assert run(["drift", "telepath", *sources, "--format", "json"]) == 2
    out, err = capsys.readouterr()
    assert (json.loads(out)["verdict"], json.loads(out)["complete"]) == ("none", False)
    assert f"{str(cut)!r} was not read to its end" in err


@pytest.mark.parametrize(("last", "shown"), [("00.900Z", ""), ("01Z", " to 2026-11-01T10:00:01Z")])
def test_one_second_is_shown_once(tmp_path: Path, capsys: pytest.CaptureFixture[str], last: str, shown: str) -> None:
    """As the time of a change, and of the recording."""
    value = har(page(status="busy"), received=HEADERS)
    ends = [dated(json.loads(json.dumps(value)), f"2026-11-01T10:00:{end}") for end in ("00.100Z", last)]
    path = tmp_path / "session.har"
    path.write_text(json.dumps(joined(*ends)), "utf-8")
    assert run(["drift", "telepath", str(path)]) == 1
    out = capsys.readouterr().out
    assert f"(2 times, 2026-11-01T10:00:00Z{shown})\n" in out
    assert f"\nseen          2 responses, 2026-11-01T10:00:00Z{shown}\n" in out


def test_since_and_base_restrict_what_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Older exchanges and those of other hosts are counted, and without any left it is a mistake."""
    old = dated(har(page(status="busy"), received=HEADERS), "2026-01-01T00:00:00Z")
    other = har(page(name=None), received=HEADERS, url="https://staging.example.com/v1/trunks?limit=10")
    path = tmp_path / "session.har"
    path.write_text(json.dumps(joined(old, dated(other, "2026-11-01T00:00:00Z"))), "utf-8")
    base = ("--base", "https://staging.example.com/v1")
    assert run(["drift", "telepath", str(path), *base, "--format", "json"]) == 1
    value = json.loads(capsys.readouterr().out)
    assert [change["kind"] for change in value["changes"]] == ["null"]
    assert value["other_hosts"] == [{"host": "api.telepathvoice.com", "count": 1}]
    assert run(["drift", "telepath", str(path), "--since", "2026-06-01", *base]) == 1
    assert "older exchange" in capsys.readouterr().out
    assert run(["drift", "telepath", str(path), "--operation", "getCall"]) == 2
    assert "of other operations: 2 (listTrunks)" in capsys.readouterr().err
    assert run(["drift", "telepath", str(path), "--since", "2026-12-01"]) == 2
    assert "no exchange is for telepath; older than --since: 2" in capsys.readouterr().err


BAD: dict[tuple[str, ...], str] = {
    ("drift", "telepath"): "name a SOURCE to compare",
    ("drift", "telepath", "no.har"): "'no.har' cannot be read: there is no such file",
    ("drift", "nobody", "x"): "'nobody' is not a vendor",
    ("drift", "telepath", "GOOD", "--against", "no.har"): "there is no such file",
    ("drift", "telepath", "GOOD", "--against", "GOOD", "--write"): "leave out --write and --patch",
    ("drift", "telepath", "GOOD", "--operation", "listTrunk"): "'listTrunk' is not an operation of telepath",
    ("drift", "telepath", "GOOD", "--operation", "getCall"): "of other operations: 1 (listTrunks)",
    ("drift", "telepath", "GOOD", "--patch", "not/there.patch"): "cannot be written: no such file or directory",
    ("drift", "telepath", "GOOD", "--format", "xml"): "--format is not ",
    ("drift", "telepath", "EMPTY"): "it is empty",
    ("drift", "telepath", "NONE"): "it holds no exchange",
}


@pytest.mark.parametrize("arguments", BAD)
def test_a_mistake_is_one_sentence(
    save: Save, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    """It ends with 2, and prints nothing else."""
    files = {"GOOD": save(page()), "EMPTY": str(tmp_path / "empty"), "NONE": save(name="none.har")}
    (tmp_path / "empty").write_bytes(b"")
    assert run([files.get(argument, argument) for argument in arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("trunkline: ")
    assert BAD[arguments] in captured.err
    assert captured.err.count("\n") == 1


HOSTILE: dict[str, str] = {
    "a number for an object": page(metrics=7),
    "a list of lists": '{"trunks": [[[]], 1, null], "pagination": {}}',
    "no object": "[]",
    "null": "null",
    "lone surrogates": page(name="\ud800", region="\udfff").replace("\\\\u", "\\u"),
    "a name of slashes": page().replace('"name"', '"a/b~c": 1, "": 2, "name"'),
    "names that cannot be written": page().replace('"name"', '"\\ud800": 1, "' + "x" * 200 + '": 2, "name"'),
    "names with a meaning": page().replace('"name"', '"$ref": "#", "x-trunkline": {}, "properties": [], "name"'),
    "doubled names": page().replace('"name"', '"name": 7, "name"'),
    "a huge number": page().replace('"name"', '"size": 1' + "0" * 5000 + ', "name"'),
    "a huge word": page(status="x" * 100_000),
    "deep": page().replace('"name"', '"deep": ' + "[" * 90 + "]" * 90 + ', "name"'),
    "control characters": page(status="\x1b[31mred\x07"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_bodies_are_compared(save: Save, own: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    """Nothing in a body stops the comparison, steers the terminal, or keeps the patched data from loading."""
    recording = save(HOSTILE[name])
    assert run(["drift", "acme", recording, "--write"]) in (0, 1)
    captured = capsys.readouterr()
    assert "bug in trunkline" not in captured.err
    assert "\x1b" not in captured.out
    assert len(captured.out) < 50_000
    loader.load("acme", lint=True)


def test_a_patch_does_not_replace_a_source(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The recording stays."""
    source = tmp_path / "body.json"
    source.write_text(PAGE)
    assert run(["drift", "telepath", str(source), "--patch", str(source)]) == 2
    assert "is already used in this run, and would be lost" in capsys.readouterr().err
    assert source.read_text() == PAGE


def test_a_wrong_base_is_no_mistake_of_a_source(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The sentence is about the option, and names no file."""
    source = tmp_path / "body.json"
    source.write_text(PAGE)
    assert run(["drift", "telepath", str(source), "--base", "x"]) == 2
    assert capsys.readouterr().err.startswith("trunkline: --base is the address that stands for the vendor's")


@pytest.mark.slow
def test_an_interrupted_write_leaves_no_draft(
    save: Save, own: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each file is as it was, or as it is to be, also after SIGTERM."""
    folder = own / "schemas" / "acme"
    before = {path.name: path.read_text("utf-8") for path in folder.iterdir()}

    def stop(*_: object) -> None:
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(Path, "replace", stop)
    assert run(["drift", "acme", save(page(region="eu")), "--write"]) == 130
    assert {path.name: path.read_text("utf-8") for path in folder.iterdir()} == before
    assert capsys.readouterr().err == "trunkline: interrupted\n"
