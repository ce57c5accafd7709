"""What `trunkline.library` promises: vendors are found and read, and data that fit nothing stop the load."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from trunkline import folders, library, mock
from trunkline.errors import DataError, UsageError
from trunkline.exchange import Json, Request
from trunkline.library import Vendor, cut
from trunkline.world import Record

ROOT = folders.roots()[0]
VENDORS = folders.names()


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one's own with a copy of a vendor under another name, `sample`."""
    for kind in ("schemas", "fixtures"):
        shutil.copytree(ROOT / kind / "telepath", tmp_path / kind / "sample")
    monkeypatch.setenv("TRUNKLINE_DATA", str(tmp_path))
    return tmp_path


def rewritten(path: Path, old: str, new: str) -> None:
    """Replaces a text that stands in a file."""
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def edited(path: Path, edit: Callable[[Json], object]) -> None:
    """Edits a JSON file."""
    content = json.loads(path.read_text("utf-8"))
    edit(content)
    path.write_text(json.dumps(content), "utf-8")


def trouble() -> DataError:
    """What loading the copy raises."""
    with pytest.raises(DataError) as caught:
        library.load("sample")
    assert str(caught.value).startswith(f"{caught.value.file}#{caught.value.pointer}: ")
    return caught.value


# --- finding --------------------------------------------------------------------------------------------------------


def test_a_folder_of_ones_own_is_found(data: Path) -> None:
    """A vendor in `TRUNKLINE_DATA` is a vendor like the shipped ones."""
    assert folders.names() == tuple(sorted((*VENDORS, "sample")))
    assert folders.roots()[-1] == data
    sample = library.load("sample")
    response = mock.from_vendor(sample)(
        Request("GET", "/trunks", "limit=1", (("authorization", f"Bearer {sample.world.token}"),))
    )
    assert response.status == 200


def test_a_shipped_vendor_is_not_replaced(data: Path) -> None:
    """A folder of one's own adds vendors; it does not change the shipped ones."""
    shutil.copytree(data / "schemas" / "sample", data / "schemas" / "telepath")
    (data / "schemas" / "telepath" / "openapi.json").write_text("{}")
    assert library.load("telepath").name == "telepath"
    assert folders.names().count("telepath") == 1


@pytest.mark.parametrize("name", ["nobody", "", ".", "..", "Telepath", "telepath/", "../schemas/telepath"])
def test_an_unknown_vendor_is_told_with_the_known_ones(name: str) -> None:
    """The error says which vendors there are; no name leads out of the folder."""
    with pytest.raises(UsageError, match=re.escape(f"{name!r} is not a vendor; there are: {', '.join(VENDORS)}")):
        library.load(name)


def test_a_folder_that_is_not_there_adds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty or missing `TRUNKLINE_DATA` is as good as none."""
    for value in ("", str(tmp_path), str(tmp_path / "nowhere")):
        monkeypatch.setenv("TRUNKLINE_DATA", value)
        assert folders.names() == VENDORS


def test_a_file_among_the_folders_is_not_a_vendor(data: Path) -> None:
    """Only folders are vendors."""
    (data / "schemas" / "README.md").write_text("notes")
    assert "README.md" not in folders.names()


# --- worlds that fit nothing ----------------------------------------------------------------------------------------

WORLDS: dict[str, tuple[str, str, str, str]] = {
    "no operation is served": ("[operations.listTrunks]", "[operations.fetchTrunk]", "/operations", "listTrunks"),
    "an unknown verb": ('verb = "list"', 'verb = "index"', "/operations/listTrunks/verb", "index"),
    "a verb that the contract does not explain": (
        'verb = "list"',
        'verb = "fetch"',
        "/operations/listTrunks/verb",
        "fetch",
    ),
    "a list without an order": ('order = ["-created_at", "id"]', "", "/operations/listTrunks", "order"),
    "an order by a field that is not there": ('"-created_at"', '"-born_at"', "/operations/listTrunks/order", "born_at"),
    "a collection that is not there": (
        'collection = "trunks"',
        'collection = "lines"',
        "/operations/listTrunks/collection",
        "lines",
    ),
    "a body with a word that nothing fills": ('"{total}"', '"{count}"', "/operations/listTrunks/body", "count"),
    "a cause without a message": ('rate_limited = "', 'rate_limit = "', "/refusals", "rate_limit"),
    "an empty message": (
        'path_unknown = "The requested resource was not found"',
        'path_unknown = ""',
        "/refusals/path_unknown",
        "",
    ),
    "a message with a word that nothing fills": (
        'parameter_repeated = "Invalid {name} parameter. Must be sent once"',
        'parameter_repeated = "Invalid {what} parameter"',
        "/refusals/parameter_repeated",
        "what",
    ),
    "no token": ("[[tokens]]", "[[keys]]", "", "tokens"),
    "a token that no header can carry": ('token = "YOUR_API_KEY"', 'token = "your key"', "/tokens/2/token", "your key"),
    "a token that is there twice": (
        'token = "YOUR_API_KEY"',
        'token = "sk_live_another_account"',
        "/tokens/3/token",
        "twice",
    ),
    "an unknown word": ("rate_limit = 1000000", "rate_limit = 1\ncolour = 1", "", "colour"),
    "no format": ("format = 1", "", "", "format"),
    "another format": ("format = 1", "format = 2", "/format", "1"),
    "a rate limit of nothing": ("rate_limit = 1000000", "rate_limit = 0", "/rate_limit", "0"),
    "an unknown way to make a value": (
        'id = { letters = "conn_{}" }',
        'id = { random = "conn_{}" }',
        "/collections/trunks/generate/id",
        "random",
    ),
    "an identity that is not there": ('identity = "id"', 'identity = "uuid"', "/collections/trunks/identity", "uuid"),
}
"""What is wrong -> a text of the file, what stands there instead, the place of the error, a word of its reason."""


@pytest.mark.parametrize("name", WORLDS)
def test_a_world_that_fits_nothing_stops_the_load(data: Path, name: str) -> None:
    """The error names the file, the place in it and the reason."""
    old, new, at, word = WORLDS[name]
    rewritten(data / "fixtures" / "sample" / "world.toml", old, new)
    error = trouble()
    assert (error.file, error.pointer) == ("fixtures/sample/world.toml", at)
    assert word in error.reason


@pytest.mark.parametrize(("content", "reason"), [(b"= 1", "is not TOML"), (b"\xff", "is not TOML"), (b"", "required")])
def test_a_world_that_is_no_world_stops_the_load(data: Path, content: bytes, reason: str) -> None:
    """Bytes that are no TOML are told with the file."""
    (data / "fixtures" / "sample" / "world.toml").write_bytes(content)
    error = trouble()
    assert error.file == "fixtures/sample/world.toml"
    assert reason in error.reason


@pytest.mark.parametrize("file", ["world.toml", "trunks.json", "cases.json"])
def test_a_missing_file_stops_the_load(data: Path, file: str) -> None:
    """A file that is not there is told by its name."""
    (data / "fixtures" / "sample" / file).unlink()
    error = trouble()
    assert error.file == f"fixtures/sample/{file}"
    assert error.reason == "cannot be read: No such file or directory"


# --- records that fit nothing ---------------------------------------------------------------------------------------

RECORDS: dict[str, tuple[Callable[[Json], object], str, str]] = {
    "a field that no page documents": (
        lambda all_: all_[3].update(colour="red"),
        "/3/colour",
        "no operation documents",
    ),
    "a wrong type": (lambda all_: all_[0].update(name=1), "/0/name", "not of type string"),
    "a value that is not listed": (lambda all_: all_[1].update(status="busy"), "/1/status", "not one of"),
    "a time that is none": (lambda all_: all_[0].update(created_at="today"), "/0/created_at", '"today"'),
    "a number beyond its bounds": (
        lambda all_: all_[0]["metrics"].update(success_rate=101),
        "/0/metrics/success_rate",
        "more than 100",
    ),
    "a field within an object that no page documents": (
        lambda all_: all_[0]["metrics"].update(calls=1),
        "/0/metrics/calls",
        "no operation documents",
    ),
    "a missing field": (lambda all_: all_[2].pop("status"), "/2/status", "required"),
    "an unknown account": (
        lambda all_: all_[0].update({"x-trunkline": {"account": "nobody"}}),
        "/0/x-trunkline/account",
        "no token opens 'nobody'",
    ),
    "an unknown fact of the mock": (
        lambda all_: all_[0].update({"x-trunkline": {"owner": 1}}),
        "/0/x-trunkline",
        "owner",
    ),
    "an id that is there twice": (lambda all_: all_.append(dict(all_[0])), "/30/id", "is there twice"),
    "a secret that is no text": (lambda all_: all_[0].update(sip_password=1), "/0/sip_password", "text"),
    "what is no record": (lambda all_: all_.insert(0, "trunk"), "/0", "not of type"),
}
"""What is wrong -> how, the place that the error names, a word of its reason."""


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_that_fits_nothing_stops_the_load(data: Path, name: str) -> None:
    """The error names the file of records, the place in it and the reason."""
    edit, at, word = RECORDS[name]
    edited(data / "fixtures" / "sample" / "trunks.json", edit)
    error = trouble()
    assert (error.file, error.pointer) == ("fixtures/sample/trunks.json", at)
    assert word in error.reason


def test_a_secret_may_be_in_a_record(data: Path) -> None:
    """A record can hold what is never shown; the vendor knows it as a secret, and the mock does not show it."""
    edited(data / "fixtures" / "sample" / "trunks.json", lambda all_: all_[0].update(sip_password="hunter2hunter2"))
    sample = library.load("sample")
    assert "hunter2hunter2" in sample.secrets
    request = Request("GET", "/trunks", "limit=100", (("authorization", f"Bearer {sample.world.token}"),))
    assert b"hunter2" not in mock.from_vendor(sample)(request).body


def test_one_id_may_be_in_two_accounts(data: Path) -> None:
    """An id names one trunk of an account; another account may have the same."""
    edited(
        data / "fixtures" / "sample" / "trunks.json",
        lambda all_: all_.append({**all_[0], "x-trunkline": {"account": "another"}}),
    )
    assert len(library.load("sample").world.collections["trunks"].records) == 31


@pytest.mark.parametrize(
    ("edit", "at", "word"),
    [
        (lambda cases: cases[0].update(operation="getTrunk"), "/0/operation", "getTrunk"),
        (lambda cases: cases[0].pop("breaks"), "/0", "breaks"),
        (lambda cases: cases[0].update(colour=1), "/0", "colour"),
        (lambda cases: cases[0].update(source="a page"), "/0/source", "a page"),
    ],
    ids=["operation", "missing", "unknown", "source"],
)
def test_a_sample_that_fits_nothing_stops_the_load(
    data: Path, edit: Callable[[Json], object], at: str, word: str
) -> None:
    """A sample of an operation that is not there, or in another form, is told with its place."""
    edited(data / "fixtures" / "sample" / "cases.json", edit)
    error = trouble()
    assert (error.file, error.pointer) == ("fixtures/sample/cases.json", at)
    assert word in error.reason


# --- overlays -------------------------------------------------------------------------------------------------------


def record_of(name: str) -> Record:
    return dict(library.load(name).world.collections["trunks"].records[0])


def overlay(tmp_path: Path, name: str, content: object, file: str = "trunks.json") -> Path:
    """A folder laid out as `fixtures/`, with one file."""
    (tmp_path / name).mkdir()
    (tmp_path / name / file).write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return tmp_path


def test_an_overlay_replaces_and_adds(tmp_path: Path) -> None:
    """A record of a known id takes the place of the shipped one, others join them."""
    first = record_of("telepath")
    folder = overlay(tmp_path, "telepath", [{**first, "name": "Mine"}, {**first, "id": "conn_mine00000"}])
    before = library.load("telepath").world.collections["trunks"].records
    after = library.load("telepath", overlay=folder).world.collections["trunks"].records
    assert len(after) == len(before) + 1
    assert {record["name"] for record in after if record["id"] == first["id"]} == {"Mine"}
    assert after[-1]["id"] == "conn_mine00000"


def test_an_overlay_of_another_account_replaces_nothing(tmp_path: Path) -> None:
    """The same id in another account is another trunk."""
    record = {**record_of("telepath"), "x-trunkline": {"account": "another"}}
    world = library.load("telepath", overlay=overlay(tmp_path, "telepath", [record])).world
    assert len(world.collections["trunks"].records) == 31


def test_an_overlay_lies_over_generated_records(tmp_path: Path) -> None:
    """Both can be asked for: so many plausible records, and some of one's own."""
    folder = overlay(tmp_path, "telepath", [record_of("telepath")])
    records = library.load("telepath", overlay=folder, trunks=5).world.collections["trunks"].records
    assert [record["id"] == "conn_abc123xyz" for record in records] == [False] * 5 + [True]


def test_an_overlay_without_the_vendors_folder_is_told_how_to_lay_it_out(tmp_path: Path) -> None:
    """The sentence says which file belongs where."""
    with pytest.raises(UsageError, match=r"has no folder 'telepath'; lay records out as telepath/trunks\.json"):
        library.load("telepath", overlay=tmp_path)
    with pytest.raises(UsageError, match="has no folder 'telepath'"):
        library.load("telepath", overlay=tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("file", "content", "at", "word"),
    [
        ("lines.json", "[]", "", "is not a file of records; there can be: trunks.json"),
        ("world.toml", "", "", "is not a file of records"),
        ("trunks.json", "[", "", "cut off"),
        ("trunks.json", "", "", "empty"),
        ("trunks.json", "{}", "", "not of type"),
        ("trunks.json", '[{"id": 1}]', "/0/", ""),
        ("trunks.json", '[{"id": "x", "colour": 1}]', "/0/colour", "no operation documents"),
    ],
    ids=["name", "world", "broken", "empty", "object", "type", "unknown"],
)
def test_an_overlay_that_fits_nothing_stops_the_load(
    tmp_path: Path, file: str, content: str, at: str, word: str
) -> None:
    """The error names the user's own file, the place in it and the reason."""
    folder = overlay(tmp_path, "telepath", content, file)
    with pytest.raises(DataError) as caught:
        library.load("telepath", overlay=folder)
    assert caught.value.file == str(folder / "telepath" / file)
    assert caught.value.pointer.startswith(at)
    assert word in caught.value.reason


def test_a_folder_within_an_overlay_stops_the_load(tmp_path: Path) -> None:
    """A folder that bears the name of a file of records is told, not crashed on."""
    (tmp_path / "telepath" / "trunks.json").mkdir(parents=True)
    with pytest.raises(DataError, match="cannot be read"):
        library.load("telepath", overlay=tmp_path)


def test_an_id_that_an_overlay_names_twice_stops_the_load(tmp_path: Path) -> None:
    """Within one file an id is there once."""
    folder = overlay(tmp_path, "telepath", [record_of("telepath")] * 2)
    with pytest.raises(DataError, match="'conn_abc123xyz' is there twice"):
        library.load("telepath", overlay=folder)


# --- records and tokens from Python ---------------------------------------------------------------------------------


def test_records_can_be_given(tmp_path: Path) -> None:
    """Records given in Python are checked as files are, and are then the only ones."""
    vendor = library.load("telepath")
    first = record_of("telepath")
    assert library.with_records(vendor, "trunks", []).world.collections["trunks"].records == ()
    changed = library.with_records(vendor, "trunks", [{**first, "name": "Mine"}])
    assert [record["name"] for record in changed.world.collections["trunks"].records] == ["Mine"]
    assert len(vendor.world.collections["trunks"].records) == 30
    with pytest.raises(DataError, match=r"the records given for telepath's trunks#/0/colour"):
        library.with_records(vendor, "trunks", [{**first, "colour": 1}])
    with pytest.raises(UsageError, match="telepath has no 'lines'; there are: trunks"):
        library.with_records(vendor, "lines", [])


def test_tokens_can_be_given() -> None:
    """Tokens given in Python open the first account only; the other accounts keep theirs."""
    vendor = library.with_tokens(library.load("telepath"), ("mine", "yours"))
    assert set(vendor.world.tokens) == {"mine", "yours", "sk_live_another_account"}
    assert vendor.world.token == "mine"
    assert {"mine", "yours"} <= vendor.secrets
    assert [vendor.world.tokens[token].account for token in ("mine", "yours")] == ["main", "main"]


# --- generated records ----------------------------------------------------------------------------------------------


def records(name: str, count: int, seed: int = 0) -> tuple[Record, ...]:
    return library.load(name, trunks=count, seed=seed).world.collections["trunks"].records


@pytest.mark.parametrize("name", VENDORS)
def test_the_same_seed_makes_the_same_records(name: str) -> None:
    """Generated records depend on their number and seed alone, and a longer list begins as a shorter one."""
    assert records(name, 40, 3) == records(name, 40, 3)
    assert records(name, 40, 3) != records(name, 40, 4)
    assert records(name, 40, 3)[:10] == records(name, 10, 3)


@pytest.mark.parametrize("count", [0, 1, 1000])
@pytest.mark.parametrize("name", VENDORS)
def test_generated_records_obey_their_schema(name: str, count: int) -> None:
    """Any number of plausible records obeys what the operations document, each with an id of its own."""
    vendor: Vendor = library.load(name, trunks=count)
    made = vendor.world.collections["trunks"].records
    assert len(made) == len({record["id"] for record in made}) == count
    for operation in vendor.contract.operations:
        for record in made:
            assert list(operation.item_violations(cut(record, operation.view))) == []
    for record in made:
        assert record["created_at"] < record["updated_at"]
    library.with_records(vendor, "trunks", list(made))


@pytest.mark.parametrize("name", VENDORS)
def test_generated_records_are_plausible(name: str) -> None:
    """Among many there is each choice, text beyond ASCII, and a secret where the vendor has one."""
    made = records(name, 300)
    text = json.dumps(made, ensure_ascii=False)
    assert not text.isascii()
    for field in ("status", "ai_provider") if name == "telepath" else ("transport", "is_active", "is_verified"):
        assert len({record[field] for record in made}) >= 2
    names = library.load(name).contract.secrets
    secrets = [record[secret] for record in made for secret in names if secret in record]
    assert len(set(secrets)) == len(secrets)


def test_shipped_records_do_not_change_with_a_seed() -> None:
    """A seed is for generated records; the fixtures are what they are."""
    one, other = (library.load("telepath", seed=seed).world.collections["trunks"].records for seed in (0, 1))
    assert one == other
