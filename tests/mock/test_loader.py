"""Tests of `trunkline.mock.loader`: vendors are found and loaded, and wrong data stops the load with its place."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from tests.documents import edit_file
from tests.requests import Client
from trunkline import mock
from trunkline.contract import folders
from trunkline.contract.loader import read_contract
from trunkline.contract.model import Contract
from trunkline.errors import DataError, UsageError
from trunkline.exchange import Json, Request
from trunkline.mock import loader
from trunkline.mock.generators import Record
from trunkline.mock.loader import Vendor
from trunkline.mock.recording import override
from trunkline.mock.world import project

ROOT = folders.roots()[0]
VENDORS = folders.names()
CONTRACTS: dict[object, Contract] = {}
"""The contracts that have been read and linted, by the contents of their folders."""


@pytest.fixture(autouse=True)
def _equal_schemas_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most tests break a world, and share the contract: reading and linting that takes most of the time of a load."""
    monkeypatch.setattr(loader, "read_contract", read_once)


def read_once(folder: Path, vendor: str, *, lint: bool = True) -> Contract:
    """The result of `read_contract` for an equal folder."""
    key = vendor, lint, tuple((path.name, path.read_bytes()) for path in sorted(folder.iterdir()) if path.is_file())
    if key not in CONTRACTS:
        CONTRACTS[key] = read_contract(folder, vendor, lint=lint)
    return CONTRACTS[key]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one's own with a copy of a vendor under another name, `sample`."""
    return sample_of("telepath", tmp_path, monkeypatch)


@pytest.fixture
def other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the data of the vendor whose trunks have DIDs, and can be verified and deleted."""
    return sample_of("talkover", tmp_path, monkeypatch)


def sample_of(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a copy of a vendor, `sample`, that is found."""
    for kind in ("schemas", "fixtures"):
        shutil.copytree(ROOT / kind / name, tmp_path / kind / "sample")
    monkeypatch.setenv("TRUNKLINE_DATA", str(tmp_path))
    return tmp_path


def rewritten(path: Path, old: str, new: str) -> None:
    """Replaces a text where it stands first in a file."""
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


def trouble() -> DataError:
    """The error that loading the copy raises."""
    with pytest.raises(DataError) as caught:
        loader.load("sample")
    place = f"#{caught.value.pointer}" if caught.value.pointer else ""
    assert str(caught.value).startswith(f"{caught.value.file}{place}: ")
    return caught.value


# --- finding --------------------------------------------------------------------------------------------------------


def test_a_folder_of_ones_own_is_found(data: Path) -> None:
    """A vendor in `TRUNKLINE_DATA` is a vendor like the shipped ones."""
    assert folders.names() == tuple(sorted((*VENDORS, "sample")))
    assert folders.roots()[-1] == data
    sample = loader.load("sample")
    response = mock.from_vendor(sample)(
        Request("GET", "/trunks", "limit=1", (("authorization", f"Bearer {sample.world.token}"),))
    )
    assert response.status == 200


@pytest.mark.parametrize("name", ["nobody", "", ".", "..", "Telepath", "telepath/", "../schemas/telepath"])
def test_an_unknown_vendor_is_reported_with_the_known_ones(name: str) -> None:
    """The error says which vendors there are; no name leads out of the folder."""
    with pytest.raises(UsageError, match=re.escape(f"{name!r} is not a vendor; there are: {', '.join(VENDORS)}")):
        loader.load(name)


def test_a_vendor_of_ones_own_has_a_name_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A vendor with the name of a shipped one is reported, because it would never be read."""
    (tmp_path / "schemas" / "telepath").mkdir(parents=True)
    monkeypatch.setenv("TRUNKLINE_DATA", str(tmp_path))
    with pytest.raises(UsageError, match="holds a vendor 'telepath', and trunkline has one"):
        folders.names()


def test_a_folder_that_is_not_there_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty `TRUNKLINE_DATA` names no folder; one that names a folder without schemas is a mistake."""
    monkeypatch.setenv("TRUNKLINE_DATA", "")
    assert folders.names() == VENDORS
    for value in (str(tmp_path), str(tmp_path / "nowhere")):
        monkeypatch.setenv("TRUNKLINE_DATA", value)
        with pytest.raises(UsageError, match="has no folder schemas/"):
            folders.names()


def test_a_file_among_the_folders_is_not_a_vendor(data: Path) -> None:
    """Only folders are vendors."""
    (data / "schemas" / "README.md").write_text("notes")
    assert "README.md" not in folders.names()


# --- worlds that fit nothing ----------------------------------------------------------------------------------------

GENERATE = "/collections/trunks/generate"
WORLDS: dict[str, tuple[str, str, str, str]] = {
    "no operation is served": ("[operations.listTrunks]", "[operations.fetchTrunk]", "/operations", "listTrunks"),
    "an unknown verb": ('verb = "list"', 'verb = "index"', "/operations/listTrunks/verb", "is not one of"),
    "a verb that the contract does not explain": (
        'verb = "fetch"\nbody = "{item}"',
        'verb = "answer"\noutcomes = [{ body = {} }]',
        "/operations/getCall/verb",
        "the contract does not say how getCall would answer",
    ),
    "an update that would create": (
        'verb = "update"',
        'verb = "create"',
        "/operations/updateTrunk/verb",
        "the contract does not say how updateTrunk would create",
    ),
    "an operation of no page": (
        "[operations.getCall]",
        '[operations.hangUp]\nverb = "fetch"\nbody = "{item}"\n[operations.getCall]',
        "/operations/hangUp",
        "the contract has no such operation",
    ),
    "a list without an order": ('order = ["-created_at", "id"]', "", "/operations/listTrunks", "order"),
    "an order by a field that is not there": ('"-created_at"', '"-born_at"', "/operations/listTrunks/order", "born_at"),
    "a collection that is not there": (
        (
            '[collections.calls]\nidentity = "id"\nparent = { collection = "trunks", field = "trunk_id" }\n\n'
            "[collections.calls.generate]"
        ),
        '[collections.lines]\nidentity = "id"\n\n[collections.lines.generate]',
        "/collections",
        "there is no collection 'calls', the resource of listCalls",
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
    "no token": (
        '[[tokens]]\ntoken = "sk_live_abc123def456..."',
        '[[tokens]]\nkey = "sk_live_abc123def456..."',
        "/tokens/0",
        "token",
    ),
    "a token that no header can carry": (
        'token = "YOUR_API_KEY"',
        'token = "your key"',
        "/tokens/2/token",
        "does not match",
    ),
    "a token that is there twice": (
        'token = "YOUR_API_KEY"',
        'token = "sk_live_another_account"',
        "/tokens/3/token",
        "twice",
    ),
    "an unknown key": ("rate_limit = 1000000", "rate_limit = 1\ncolour = 1", "", "colour"),
    "no format": ("format = 1", "", "", "format"),
    "another format": ("format = 1", "format = 2", "/format", "1"),
    "a rate limit of nothing": ("rate_limit = 1000000", "rate_limit = 0", "/rate_limit", "minimum: 1"),
    "an unknown way to make a value": (
        'id = { letters = "conn_{}" }',
        'id = { random = "conn_{}" }',
        "/collections/trunks/generate/id",
        "random",
    ),
    "an identity that is not there": (
        'identity = "id"',
        'identity = "uuid"',
        "/collections/trunks/identity",
        "listTrunks documents 'id' as the id",
    ),
    "a message with a word of another cause": (
        'path_unknown = "The requested resource was not found"',
        'path_unknown = "Method {method} was not found"',
        "/refusals/path_unknown",
        "nothing fills {method} in it; there are: {path}",
    ),
    "a message of a body with a word of a parameter": (
        'body_malformed = "Invalid request body: {reason}"',
        'body_malformed = "Invalid request body: {bounds}"',
        "/refusals/body_malformed",
        "nothing fills {bounds} in it; there are: {reason}",
    ),
    **{
        f"a message of {cause} with a word of none": (
            f'{cause} = "',
            f'{cause} = "{{frob}} ',
            f"/refusals/{cause}",
            f"nothing fills {{frob}} in it; there are: {words}",
        )
        for cause, words in {
            "field_missing": "{name}, {reason}",
            "field_mistyped": "{name}, {reason}",
            "field_invalid": "{name}, {reason}",
            "body_too_large": "{limit}",
            "media_type_unsupported": "{media_type}",
            "not_unique": "{name}, {value}",
            "method_not_allowed": "{allow}, {method}",
        }.items()
    },
    "a message of a code that is never answered": (
        "id_unknown = { CALL_NOT_FOUND",
        "id_unknown = { LINE_NOT_FOUND",
        "/refusals/id_unknown/LINE_NOT_FOUND",
        "the contract answers the cause with no such code",
    ),
    "a code without a message": (
        "id_unknown = { CALL_NOT_FOUND = \"Call '{id}' not found\", ",
        "id_unknown = { ",
        "/refusals/id_unknown",
        "CALL_NOT_FOUND has no message",
    ),
    "a message of one code with a word of none": (
        "TRUNK_NOT_FOUND = \"Trunk '{id}'",
        "TRUNK_NOT_FOUND = \"Trunk '{name}'",
        "/refusals/id_unknown",
        "nothing fills {name} in it; there are: {id}",
    ),
    "a table of messages without any": (
        "not_unique = \"A trunk with {name} '{value}' already exists\"",
        "not_unique = {}",
        "/refusals/not_unique",
        "",
    ),
    "a cause of which no page knows": (
        "[collections.trunks]",
        'in_use = "In use"\n[collections.trunks]',
        "/refusals",
        "in_use is not a cause that the contract answers",
    ),
    "a message with a word and a cause without": (
        'rate_limited = "Too many',
        'rate_limited = "{bounds}',
        "/refusals/rate_limited",
        "none for this cause",
    ),
    **{
        f"a message of {text}": (
            '"Invalid {name} parameter. Must be sent once"',
            f'"{text}"',
            "/refusals/parameter_repeated",
            word,
        )
        for text, word in {
            "{": "write a literal brace twice",
            "}": "write a literal brace twice",
            "{}": "nothing fills {}",
            "{0}": "nothing fills {0}",
            "{items}": "nothing fills {items}",
            "{name.x}": "nothing fills {name.x}",
            "{name!r}": "nothing fills {name}",
            "{name:>9}": "nothing fills {name}",
            "{name:{bounds}}": "nothing fills {name}",
        }.items()
    },
    **{
        f"an envelope of {text}": (
            'body = { error = { code = "{code}", message = "{message}" } }',
            f"body = {text}",
            "/errors/body",
            word,
        )
        for text, word in {
            '{ error = { code = "{code}", message = "{nope}" } }': "nothing fills {nope}",
            '{ error = { code = "{code}", message = "{" } }': "nothing fills {",
            '{ error = { code = "{code}", message = "x{message}" } }': "a placeholder is a whole text",
            '{ error = { code = "{code}", message = "{message}", more = ["{code}"] } }': "nothing fills {code}",
            '{ error = { code = "{code}", message = "{message}", "{code}" = 1 } }': "nothing fills {code}",
            '{ error = { code = "{code}", message = "no" } }': "{message} is not at /error/message",
            '{ error = { code = "{message}", message = "{message}" } }': "{code} is not at /error/code",
            '{ code = "{code}", message = "{message}" }': "{code} is not at /error/code",
            "{}": "{code} is not at /error/code",
        }.items()
    },
    **{
        f"a body of {text}": (
            'body = { trunks = "{items}", pagination = { limit = "{limit}", offset = "{offset}", total = "{total}" } }',
            f"body = {text}",
            "/operations/listTrunks/body",
            word,
        )
        for text, word in {
            '{ trunks = "{item}", pagination = {} }': "nothing fills {item}",
            '{ trunks = "{items}", pagination = { limit = "{limit}", offset = "{offset}", total = "x{total}" } }': "x{",
            '{ trunks = "{items}", pagination = { limit = "{limit}", offset = "{offset}", total = "{" } }': "fills {",
            '{ trunks = "{items}", pagination = { limit = "{limit}", offset = "{offset}", total = 1 } }': "/total",
            '{ trunks = "{items}", pagination = { limit = "{offset}", offset = "{limit}", total = "{total}" } }': "at",
            '{ trunks = [], pagination = { limit = "{limit}", offset = "{offset}", total = "{total}" } }': "at /trunks",
            '{ trunks = "{items}", pagination = { limit = "{limit}", offset = "{offset}", total = "{total}" }, '
            '"{items}" = 1 }': "nothing fills {items}",
            '{ trunks = "{items}", pagination = { limit = "{limit}", offset = "{offset}", total = "{total}" }, '
            'status = "{status}" }': "nothing fills {status}",
        }.items()
    },
    **{
        f"an answer of {text} to a creation": (
            'guards = [{ unique = "sip_username" }]\nbody = "{item}"',
            f'guards = [{{ unique = "sip_username" }}]\nbody = {text}',
            "/operations/createTrunk/body",
            word,
        )
        for text, word in {
            "{}": "{item} is not at its top, where the contract has it",
            '{ trunk = "{item}" }': "{item} is not at its top",
            '"{items}"': "",
            '"created"': "",
            '{ trunk = "{name}" }': "nothing fills {name}",
        }.items()
    },
    "a guard that no page knows": (
        '[{ unique = "sip_username" }]',
        '[{ unique = "sip_username" }, { unique = "name" }]',
        "/operations/createTrunk/guards",
        "the contract does not say that unique name is a reason to refuse",
    ),
    "a reason to refuse that nothing guards": (
        'guards = [{ unique = "sip_username" }]\n',
        "",
        "/operations/createTrunk/guards",
        "the contract says that unique sip_username is a reason to refuse, and nothing guards it",
    ),
    "a guard of an unknown kind": (
        '[{ unique = "sip_username" }]',
        '[{ quota = "sip_username" }]',
        "/operations/createTrunk/guards/0",
        "quota",
    ),
    "a guard of a list": (
        'order = ["start_time", "id"]',
        'guards = [{ empty = "calls" }]\norder = ["start_time", "id"]',
        "/operations/listCalls/guards",
        "is not allowed here",
    ),
    "a status of a list": (
        'order = ["start_time", "id"]',
        'status = 200\norder = ["start_time", "id"]',
        "/operations/listCalls/status",
        "is not allowed here",
    ),
    "a status of no page": (
        "status = 201 #",
        "status = 302 #",
        "/operations/createTrunk/status",
        "302 is no documented status of createTrunk",
    ),
    "a status of a refusal": (
        "status = 201 #",
        "status = 400 #",
        "/operations/createTrunk/status",
        "400 is not the success that the page shows",
    ),
    "a status that is none": ("status = 201 #", "status = 99 #", "/operations/createTrunk/status", "minimum: 200"),
    "an effect on a field of no page": (
        'status = { value = "active" }',
        'state = { value = "active" }',
        "/operations/createTrunk/effects/0",
        "'state' is no field of a record",
    ),
    "an effect by a fact of no page": (
        "effects = [{ set = { updated_at",
        "effects = [{ when = { colour = 1 }, set = { updated_at",
        "/operations/updateTrunk/effects/0",
        "'colour' is no field of a record",
    ),
    "an effect of a change of no page": (
        "effects = [{ set = { updated_at",
        'effects = [{ when_changed = ["colour"], set = { updated_at',
        "/operations/updateTrunk/effects/0",
        "'colour' is no field of a record",
    ),
    "an effect that names a record anew": (
        "effects = [{ set = { updated_at = { now = true } } }]",
        'effects = [{ set = { id = { letters = "conn_{}" } } }]',
        "/operations/updateTrunk/effects/0",
        "'id' is the id of a record, which never changes",
    ),
    "a guard that stands there twice": (
        'guards = [{ unique = "sip_username" }]',
        'guards = [{ unique = "sip_username" }, { unique = "sip_username" }]',
        "/operations/createTrunk/guards",
        "uniqueItems",
    ),
    "an effect that sets nothing": (
        "effects = [{ set = { updated_at = { now = true } } }]",
        "effects = [{ set = {} }]",
        "/operations/updateTrunk/effects/0/set",
        "",
    ),
    "an effect in no known way": (
        "effects = [{ set = { updated_at = { now = true } } }]",
        "effects = [{ set = { updated_at = { tomorrow = true } } }]",
        "/operations/updateTrunk/effects/0/set/updated_at",
        "tomorrow",
    ),
    "an effect in two ways": (
        "effects = [{ set = { updated_at = { now = true } } }]",
        "effects = [{ set = { updated_at = { now = true, value = 1 } } }]",
        "/operations/updateTrunk/effects/0/set/updated_at",
        "",
    ),
    "a text of a field of no page": (
        '"sip://{sip_username}@sip.telepathvoice.com" } # as in the sample',
        '"sip://{user}@sip.telepathvoice.com" } # as in the sample',
        "/operations/createTrunk/effects/0/set/sip_endpoint",
        "'user' is no field of a record",
    ),
    "a text of a secret": (
        '"sip://{sip_username}@sip.telepathvoice.com" } # as in the sample',
        '"sip://{sip_password}@sip.telepathvoice.com" } # as in the sample',
        "/operations/createTrunk/effects/0/set/sip_endpoint",
        "'sip_password' is a secret, which no other field may show",
    ),
    "a text with half a brace": (
        '"sip://{sip_username}@sip.telepathvoice.com" } # as in the sample',
        '"sip://{sip_username@sip.telepathvoice.com" } # as in the sample',
        "/operations/createTrunk/effects/0/set/sip_endpoint",
        "is no field of a record",
    ),
    "a range in an effect that is turned around": (
        "metrics = { value = { calls_today = 0, success_rate = 0, avg_latency_ms = 0 } }",
        "metrics = { fields = { calls_today = { between = [9, 0] } } }",
        "/operations/createTrunk/effects/0/set/metrics/fields/calls_today/between",
        "not below",
    ),
    "a created thing without its name": (
        '[operations.createTrunk.effects.set]\nid = { letters = "conn_{}" }',
        "[operations.createTrunk.effects.set]",
        "/operations/createTrunk/effects",
        "nothing generates id; use one of serial, letters, uuid",
    ),
    "created things of one name": (
        '[operations.createTrunk.effects.set]\nid = { letters = "conn_{}" }',
        '[operations.createTrunk.effects.set]\nid = { value = "conn_1" }',
        "/operations/createTrunk/effects",
        "nothing generates id",
    ),
    "a value of an effect that the contract does not allow": (
        'status = { value = "active" }',
        'status = { value = "new" }',
        "/operations/createTrunk/body",
        'it breaks the contract at /status: "new" is not one of',
    ),
    "a collection that belongs to nothing": (
        '[collections.calls]\nidentity = "id"\nparent = { collection = "trunks", field = "trunk_id" }',
        '[collections.calls]\nidentity = "id"\nparent = { collection = "lines", field = "trunk_id" }',
        "/collections/calls/parent",
        "there is no collection 'lines'",
    ),
    "a collection that belongs to itself": (
        '[collections.calls]\nidentity = "id"\nparent = { collection = "trunks", field = "trunk_id" }',
        '[collections.calls]\nidentity = "id"\nparent = { collection = "calls", field = "trunk_id" }',
        "/collections/calls/parent",
        "cannot belong to itself",
    ),
    "a parent without its field": (
        '[collections.calls]\nidentity = "id"\nparent = { collection = "trunks", field = "trunk_id" }',
        '[collections.calls]\nidentity = "id"\nparent = { collection = "trunks" }',
        "/collections/calls/parent",
        'lacks "field"',
    ),
    "a time after what is not generated": (
        'after = ["start_time", "duration_seconds"]',
        'after = ["start_time", "duration"]',
        "/collections/calls/generate/end_time/after",
        "names a field that is not generated before this one",
    ),
    "an order that leaves ties": (
        '["-created_at", "id"]',
        '["id", "-created_at"]',
        "/operations/listTrunks/order",
        "tie",
    ),
    "an order by an object": (
        '["-created_at", "id"]',
        '["metrics", "id"]',
        "trunks.json/0/metrics",
        "a text or a number",
    ),
    "a date": ("rate_limit = 1000000", "rate_limit = 2024-01-01", "/rate_limit", "a date is not JSON"),
    "a time": ('note = "the placeholder of the samples"', "note = 10:00:00", "/tokens/2/note", "a time is not JSON"),
    "a number that JSON has not": ("rate_limit = 1000000", "rate_limit = nan", "/rate_limit", "not a number"),
    "a number without end": ("rate_limit = 1000000", "rate_limit = -inf", "/rate_limit", "not a number"),
    "a list without an end to its depth": (
        "rate_limit = 1000000",
        f"rate_limit = {'[' * 120}{']' * 120}",
        f"/rate_limit{'/0' * 100}",
        "100 levels",
    ),
    "a collection that nothing serves": (
        "[collections.trunks]",
        '[collections.lines]\nidentity = "id"\n[collections.trunks]',
        "/collections/lines",
        "no operation serves it",
    ),
    "a collection whose name is a path": (
        "[collections.trunks]",
        '[collections."../trunks"]\nidentity = "id"\n[collections.trunks]',
        "/collections",
        "../trunks",
    ),
    "a token without a permission that nothing refuses": (
        'note = "the placeholder of the samples"',
        'refused = "permission_missing"',
        "/tokens/2/refused",
        "no response of listTrunks answers permission_missing",
    ),
    "no way to make the identity": ('id = { letters = "conn_{}" }', "", f"{GENERATE}/id", "the id is generated by"),
    "an identity that could be made twice": (
        'id = { letters = "conn_{}" }',
        'id = { one_of = ["a", "b"] }',
        f"{GENERATE}/id",
        "the id is generated by",
    ),
    "an identity that could be null": (
        'id = { letters = "conn_{}" }',
        'id = { letters = "conn_{}", null = 0.5 }',
        f"{GENERATE}/id",
        "never null",
    ),
    "a range that is turned around": (
        "between = [0, 900]",
        "between = [900, 0]",
        f"{GENERATE}/metrics/fields/calls_today/between",
        "not below",
    ),
    "a range of fractions": (
        "between = [0, 900]",
        "between = [0.5, 1.5]",
        f"{GENERATE}/metrics/fields/calls_today/between",
        "whole numbers",
    ),
    "a range without end": (
        "between = [80, 100]",
        "between = [-1e308, 1e308]",
        f"{GENERATE}/metrics/fields/success_rate/between",
        "not below",
    ),
    "decimals of what is no number": (
        'sip_username = { serial = "line-{}" }',
        'sip_username = { serial = "line-{}", decimals = 1 }',
        f"{GENERATE}/sip_username",
        'lacks "between"',
    ),
    "a time that is none": (
        '"2022-01-01T00:00:00Z"',
        '"2022-01-32T00:00:00Z"',
        f"{GENERATE}/created_at/time/0",
        "date",
    ),
    "a time without its zone": ('"2022-01-01T00:00:00Z"', '"2022-01-01T00:00:00"', f"{GENERATE}/created_at/time/0", ""),
    "a year that no mock can write": (
        '"2022-01-01T00:00:00Z"',
        '"0000-12-31T23:59:59Z"',
        f"{GENERATE}/created_at/time",
        "not a pair of times",
    ),
    "times that are turned around": (
        '"2022-01-01T00:00:00Z"',
        '"2029-01-01T00:00:00Z"',
        f"{GENERATE}/created_at/time",
        "the first is after",
    ),
}
"""A mistake -> a text of the file, its replacement, the place of the error, a part of its reason."""

VERIFY = "/operations/verifySipTrunk/outcomes"
OTHER_WORLDS: dict[str, tuple[str, str, str, str]] = {
    "things that belong to nothing, and a page that counts them": (
        'parent = { collection = "trunks", field = "trunk_id" }',
        "",
        "/operations/deleteSipTrunk/guards",
        "dids do not belong to trunks",
    ),
    "no guard of what a page protects": (
        'guards = [{ empty = "dids" }]',
        "",
        "/operations/deleteSipTrunk/guards",
        "the contract says that empty dids is a reason to refuse, and nothing guards it",
    ),
    "a guard of things that belong to another": (
        'guards = [{ empty = "dids" }]',
        'guards = [{ empty = "dids" }, { empty = "trunks" }]',
        "/operations/deleteSipTrunk/guards",
        "the contract does not say that empty trunks is a reason to refuse",
    ),
    "no guard of what is used": (
        'guards = [{ unused = "in_use" }]',
        "",
        "/operations/deleteSipTrunkDid/guards",
        "the contract says that unused in_use is a reason to refuse, and nothing guards it",
    ),
    "a guard by another fact": (
        'guards = [{ unused = "in_use" }]',
        'guards = [{ unused = "reachable" }]',
        "/operations/deleteSipTrunkDid/guards/0/unused",
        "is not one of",
    ),
    "an answer that may not come": (
        "[[operations.verifySipTrunk.outcomes]]\nstatus = 200",
        "[[operations.verifySipTrunk.outcomes]]\nwhen = { reachable = false }\nstatus = 200",
        VERIFY,
        "the last one must have no `when`",
    ),
    "an answer by a fact of no record": (
        "when = { reachable = true }\nbody",
        "when = { reachible = true }\nbody",
        f"{VERIFY}/0/when",
        "'reachible' is no field of a record",
    ),
    "an answer with a status of no page": (
        "status = 200 # no page tells it; the body has data",
        "status = 302 # no page tells it; the body has data",
        f"{VERIFY}/1/status",
        "302 is no documented status of verifySipTrunk",
    ),
    "an answer without outcomes": (
        'outcomes = [{ body = { status = "ok" } }]',
        "outcomes = []",
        "/operations/getHealth/outcomes",
        "",
    ),
    "an answer with a body of its own": (
        'outcomes = [{ body = { status = "ok" } }]',
        'body = { status = "ok" }\noutcomes = [{ body = { status = "ok" } }]',
        "/operations/getHealth/body",
        "is not allowed here",
    ),
    "an answer that no page shows": (
        'outcomes = [{ body = { status = "ok" } }]',
        'outcomes = [{ body = { status = "fine" } }]',
        "/operations/getHealth/outcomes/0/body",
        'it breaks the contract at /status: "fine" is not "ok"',
    ),
    "an answer of what shows nothing, with an item": (
        'outcomes = [{ body = { status = "ok" } }]',
        'outcomes = [{ body = { status = "{item}" } }]',
        "/operations/getHealth/outcomes/0/body",
        "nothing fills {item}",
    ),
    "an answer that is half of what the page shows": (
        'is_healthy = false, response_time_ms = 5000, error = "Connection timeout",',
        "is_healthy = false, response_time_ms = 5000,",
        "/operations/getSipTrunkHealth/outcomes/1/body",
        "it breaks the contract at /data/error: a required property is absent",
    ),
    "a check at no moment": (
        'checked_at = "{now}" } }\n\n[[',
        'checked_at = "{then}" } }\n\n[[',
        "/operations/getSipTrunkHealth/outcomes/0/body",
        "nothing fills {then} there; a placeholder is a whole text, one of {now}",
    ),
    "an effect of an answer that the contract does not allow": (
        'is_verified = { value = true }\nhealth_status = { value = "healthy" }',
        'is_verified = { value = true }\nhealth_status = { value = "fine" }',
        f"{VERIFY}/0/body",
        'it breaks the contract at /data/health_status: "fine" is not "healthy"',
    ),
    "a deletion with a word": (
        'body = { success = true, message = "DID removed" }',
        'body = { success = true, message = "{id}" }',
        "/operations/deleteSipTrunkDid/body",
        "nothing fills {id}",
    ),
    "a deletion that says too little": (
        'body = { success = true, message = "DID removed" }',
        "body = { success = true }",
        "/operations/deleteSipTrunkDid/body",
        "it breaks the contract at /message: a required property is absent",
    ),
    "a rewriting of a field of no page": (
        'field = "number"\nforms',
        'field = "phone"\nforms',
        "/operations/createSipTrunkDid/effects/0/set/formatted_number",
        "'phone' is no field of a record",
    ),
    "a rewriting by a pattern that is none": (
        "['\\+44(20)",
        "['\\+44(20",
        "/operations/createSipTrunkDid/effects/0/set/formatted_number/rewrite/forms/2/0",
        "regex",
    ),
    "a rewriting into a group that is not there": (
        "'0\\1 \\2 \\3'",
        "'0\\1 \\2 \\4'",
        "/operations/createSipTrunkDid/effects/0/set/formatted_number/rewrite/forms/2",
        "invalid group reference 4",
    ),
    "a rewriting by a pattern that Python does not read": (
        "['\\+44(20)",
        "['(?<plus>\\+)44(20)",
        "/operations/createSipTrunkDid/effects/0/set/formatted_number/rewrite/forms/2",
        "cannot be used",
    ),
}
"""Mistakes in the data of the other vendor, in the same form."""


@pytest.mark.parametrize("name", OTHER_WORLDS)
def test_another_world_that_fits_nothing_stops_the_load(other: Path, name: str) -> None:
    """So does what is said of guards, outcomes, effects and parents, and what comes of them."""
    old, new, at, word = OTHER_WORLDS[name]
    rewritten(other / "fixtures" / "sample" / "world.toml", old, new)
    error = trouble()
    assert (error.file, error.pointer) == ("fixtures/sample/world.toml", at)
    assert word in error.reason


def test_a_parent_that_the_path_does_not_name_stops_the_load(other: Path) -> None:
    """The parent that an operation's path names is the parent of the records of the mock."""
    edit_file(
        other / "schemas" / "sample" / "openapi.json",
        lambda content: (
            content["paths"]["/sip-trunks/{trunk_id}"]["delete"]["x-trunkline"]["delete"].pop("empty")
            and content["paths"]["/sip-trunks/{trunk_id}"]["delete"]["responses"].pop("409")
        ),
    )
    world = other / "fixtures" / "sample" / "world.toml"
    for old in (
        'guards = [{ empty = "dids" }]\n',
        'not_empty = "Trunk still has DIDs attached. Delete DIDs before deleting the trunk."\n',
        'parent = { collection = "trunks", field = "trunk_id" }\n',
    ):
        rewritten(world, old, "")
    error = trouble()
    assert (error.pointer, error.reason) == (
        "/collections/dids/parent",
        "the path of listSipTrunkDids names trunks",
    )


@pytest.mark.parametrize("name", WORLDS)
def test_a_world_that_fits_nothing_stops_the_load(data: Path, name: str) -> None:
    """The error names the file, the place in it and the reason."""
    old, new, at, word = WORLDS[name]
    rewritten(data / "fixtures" / "sample" / "world.toml", old, new)
    error = trouble()
    file, slash, below = at.partition(".json")
    wanted = (f"fixtures/sample/{file}.json", below) if slash else ("fixtures/sample/world.toml", at)
    assert (error.file, error.pointer) == wanted
    assert word in error.reason


@pytest.mark.parametrize(("content", "reason"), [(b"= 1", "is not TOML"), (b"\xff", "is not TOML"), (b"", "lacks")])
def test_a_world_that_is_no_world_stops_the_load(data: Path, content: bytes, reason: str) -> None:
    """Bytes that are no TOML are reported with the file."""
    (data / "fixtures" / "sample" / "world.toml").write_bytes(content)
    error = trouble()
    assert error.file == "fixtures/sample/world.toml"
    assert reason in error.reason


@pytest.mark.parametrize("file", ["world.toml", "trunks.json", "cases.json"])
def test_a_missing_file_stops_the_load(data: Path, file: str) -> None:
    """A file that is not there is reported by its name."""
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
        "no token gives access to that account; there are: another, main",
    ),
    "an unknown fact of the mock": (
        lambda all_: all_[0].update({"x-trunkline": {"owner": 1}}),
        "/0/x-trunkline",
        "owner",
    ),
    "an id that is there twice": (lambda all_: all_.append(dict(all_[0])), "/30/id", "is there twice"),
    "no id": (lambda all_: all_[0].pop("id"), "/0/id", "required"),
    "an id that is no text": (lambda all_: all_[0].update(id=1), "/0/id", "not of type"),
    "a lone surrogate": (lambda all_: all_[0].update(name="\udc00"), "/0/name", "surrogate"),
    "a lone surrogate in a name": (lambda all_: all_[0].update({"\ud800": 1}), "/0", "surrogate"),
    "a secret that would be shown": (
        lambda all_: all_[0].update(metrics={**all_[0]["metrics"], "sip_password": "hunter2hunter2"}),
        "/0/metrics/sip_password",
        "a secret must be a field of the record itself",
    ),
    "a secret that is too short": (
        lambda all_: all_[0].update(sip_password="short"),
        "/0/sip_password",
        "8 characters",
    ),
    "a secret that is no text": (lambda all_: all_[0].update(sip_password=1), "/0/sip_password", "text"),
    "what is no record": (lambda all_: all_.insert(0, "trunk"), "/0", "not of type"),
    "a record that lacks several fields": (
        lambda all_: (all_[0].pop("status"), all_[0].pop("ai_provider")),
        "/0",
        "required properties are absent: status, ai_provider",
    ),
}
"""A mistake -> the change, the place that the error names, a part of its reason."""


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_that_fits_nothing_stops_the_load(data: Path, name: str) -> None:
    """The error names the file of records, the place in it and the reason."""
    edit, at, word = RECORDS[name]
    edit_file(data / "fixtures" / "sample" / "trunks.json", edit)
    error = trouble()
    assert (error.file, error.pointer) == ("fixtures/sample/trunks.json", at)
    assert word in error.reason


OTHER_RECORDS: dict[str, tuple[str, Callable[[Json], object], str, str]] = {
    "a DID of no trunk": (
        "dids.json",
        lambda all_: all_[1].update(trunk_id="trunk-uuid-9"),
        "/1/trunk_id",
        "there is no such record in trunks",
    ),
    "a DID of another account's trunk": (
        "dids.json",
        lambda all_: all_[0].update({"x-trunkline": {"account": "staging"}}),
        "/0/trunk_id",
        "there is no such record in trunks",
    ),
    "a DID that does not say whose it is": (
        "dids.json",
        lambda all_: all_[0].pop("trunk_id"),
        "/0/trunk_id",
        "required",
    ),
    "a trunk that others belong to, and that is gone": (
        "trunks.json",
        lambda all_: all_.pop(0),
        "/0/trunk_id",
        "there is no such record in trunks",
    ),
    "a fact of the mock that is no truth": (
        "trunks.json",
        lambda all_: all_[0].update({"x-trunkline": {"reachable": "yes"}}),
        "/0/x-trunkline/reachable",
        "not of type boolean",
    ),
    "a use that is no truth": (
        "dids.json",
        lambda all_: all_[0].update({"x-trunkline": {"in_use": 1}}),
        "/0/x-trunkline/in_use",
        "not of type boolean",
    ),
    "a verified trunk that was never checked": (
        "trunks.json",
        lambda all_: all_[0].pop("last_health_check_at"),
        "/0/last_health_check_at",
        "required",
    ),
    "a number that is none": (
        "dids.json",
        lambda all_: all_[0].update(number="555"),
        "/0/number",
        "is not a number in E.164",
    ),
    "a field of another kind of record": (
        "dids.json",
        lambda all_: all_[0].update(domain="sip.example.com"),
        "/0/domain",
        "no operation documents",
    ),
}
"""A mistake in a record of the other vendor -> file, change, the place that the error names, a part of it."""


@pytest.mark.parametrize("name", OTHER_RECORDS)
def test_a_record_that_belongs_to_nothing_stops_the_load(other: Path, name: str) -> None:
    """The parent of a record is in the account of the record, and every fact of the mock is a known one."""
    file, edit, at, word = OTHER_RECORDS[name]
    edit_file(other / "fixtures" / "sample" / file, edit)
    error = trouble()
    orphan = "dids.json" if "no such record" in word else file
    assert (error.file, error.pointer) == (f"fixtures/sample/{orphan}", at)
    assert word in error.reason


def test_a_record_may_hold_what_is_only_taken_in(data: Path) -> None:
    """An input that no answer shows is a field of a record all the same: an update can change it."""
    edit_file(data / "fixtures" / "sample" / "trunks.json", lambda all_: all_[0].update(system_prompt="Be kind."))
    (first, *_) = loader.load("sample").world.collections["trunks"].records
    assert first["system_prompt"] == "Be kind."


SECRET = "hunter2-hunter2-hunter2"
LEAKS: dict[str, Callable[[Json], object]] = {
    "in another field": lambda record: record.update(status=SECRET),
    "in a field that is no text": lambda record: record.update(metrics=SECRET),
    "as its account": lambda record: record.update({"x-trunkline": {"account": SECRET}}),
    "as what the mock knows": lambda record: record.update({"x-trunkline": SECRET}),
    "among what the mock knows": lambda record: record.update({"x-trunkline": {"account": [SECRET]}}),
    "in a list": lambda record: record.update(sip_password=[SECRET]),
    "in an object": lambda record: record.update(sip_password={"is": SECRET}),
    "as a token in a field": lambda record: record.update(status="sk_live_another_account"),
    "in a field of no page": lambda record: record.update(colour=SECRET),
}
"""Where a secret stands that stops the load."""


@pytest.mark.parametrize("name", LEAKS)
@pytest.mark.parametrize("place", ["fixtures", "overlay", "given"])
def test_a_secret_is_in_no_reason(data: Path, tmp_path: Path, name: str, place: str) -> None:
    """Whatever is wrong with a record, the sentence that says so can be printed."""
    record = {**record_of("telepath"), "sip_password": SECRET}
    LEAKS[name](record)
    edit_file(data / "fixtures" / "sample" / "trunks.json", lambda all_: all_.insert(0, record))
    folder, vendor = overlay(tmp_path / "fixtures", "telepath", [record]), loader.load("telepath")
    loads: dict[str, Callable[[], Vendor]] = {
        "fixtures": lambda: loader.load("sample"),
        "overlay": lambda: loader.load("telepath", overlay=folder),
        "given": lambda: loader.with_records(vendor, "trunks", [record]),
    }
    with pytest.raises(DataError) as caught:
        loads[place]()
    assert "hunter2" not in str(caught.value)
    assert "another_account" not in str(caught.value)


def test_what_is_no_list_of_records_is_not_quoted(tmp_path: Path) -> None:
    """A file that holds a secret and no list is reported without the secret."""
    for content in (SECRET, {"sip_password": SECRET}, [SECRET], [[SECRET]]):
        (tmp_path / "telepath").mkdir(exist_ok=True)
        (tmp_path / "telepath" / "trunks.json").write_text(json.dumps(content))
        with pytest.raises(DataError, match="is not of type") as caught:
            loader.load("telepath", overlay=tmp_path)
        assert "hunter2" not in str(caught.value)


def test_a_name_that_is_unknown_is_cut() -> None:
    """The name of an unknown key is reported, but not all of an absurd one."""
    vendor = loader.load("telepath")
    record = {**record_of("telepath"), "x-trunkline": {"y" * 5000: 1}}
    with pytest.raises(DataError, match="has the unknown key") as caught:
        loader.with_records(vendor, "trunks", [record])
    assert len(caught.value.reason) < 100


@pytest.mark.parametrize("file", ["world.toml", "trunks.json", "cases.json"])
def test_what_is_no_regular_file_stops_the_load(data: Path, file: str) -> None:
    """A pipe without a writer is reported, and is not waited for."""
    path = data / "fixtures" / "sample" / file
    path.unlink()
    os.mkfifo(path)
    error = trouble()
    assert (error.file, error.reason) == (f"fixtures/sample/{file}", "cannot be read: it is not a regular file")


def test_a_name_that_is_there_twice_stops_the_load(data: Path) -> None:
    """Of two values of one name only one would be seen."""
    path = data / "fixtures" / "sample" / "trunks.json"
    text = path.read_text("utf-8")
    rewritten(path, text, text.replace('"status"', '"id": "conn_other0000", "status"', 1))
    error = trouble()
    assert (error.file, error.pointer, error.reason) == (
        "fixtures/sample/trunks.json",
        "/0/id",
        "the name is there twice",
    )


def test_an_order_by_a_field_that_can_be_null_stops_the_load(data: Path) -> None:
    """The field that sorts a list is a text or a number, of one type in all records."""
    rewritten(data / "fixtures" / "sample" / "world.toml", '["-created_at", "id"]', '["note", "id"]')
    schema = data / "schemas" / "sample" / "trunk.json"
    evidence = {"grade": "documented", "source": "https://example.com/page"}
    edit_file(schema, lambda content: content["properties"].update(note={"x-trunkline": {"evidence": evidence}}))
    path = data / "fixtures" / "sample" / "trunks.json"
    odd: list[Json] = [None, [1], {}, True, "text"]
    for value in odd:
        notes = [value if at == 7 else at for at in range(30)]
        edit_file(path, lambda all_, notes=notes: [r.update(note=n) for r, n in zip(all_, notes, strict=True)])  # type: ignore[misc]  # mypy infers no lambda with a default
        error = trouble()
        assert (error.file, error.pointer) == ("fixtures/sample/trunks.json", "/7/note")
        assert "sorted by this field, so it must be a number" in error.reason
    edit_file(path, lambda all_: [record.pop("note") for record in all_])
    assert trouble().pointer == "/0/note"
    edit_file(path, lambda all_: [record.update(note=1.5) for record in all_])
    vendor = loader.load("sample")
    first = {**vendor.world.collections["trunks"].records[0], "note": "text"}
    folder = overlay(data / "fixtures", "extra", []) / "extra"
    with pytest.raises(DataError, match="so it must be a number"):
        loader.load("sample", overlay=overlay(folder, "sample", [first]))


def test_a_body_that_the_contract_does_not_allow_stops_the_load(data: Path) -> None:
    """Every answer is tried at load: an envelope or a body that lacks something is reported with the reason."""
    world = data / "fixtures" / "sample" / "world.toml"
    schema = data / "schemas" / "sample" / "error.json"
    before = schema.read_text("utf-8")
    edit_file(schema, lambda content: content["properties"]["error"]["required"].append("page"))
    error = trouble()
    assert (error.file, error.pointer) == ("fixtures/sample/world.toml", "/errors/body")
    assert "it breaks the contract at /error/page: a required property is absent" in error.reason
    schema.write_text(before)
    edit_file(schema, lambda content: content["properties"]["error"]["properties"]["message"].update(maxLength=30))
    assert "it breaks the contract at /error/message" in trouble().reason
    schema.write_text(before)
    rewritten(world, 'body = { trunks = "{items}"', 'body = { has_more = "no", trunks = "{items}"')
    lists = data / "schemas" / "sample" / "trunk-list.json"
    edit_file(lists, lambda content: content["required"].append("cursor"))
    error = trouble()
    assert (error.file, error.pointer) == ("fixtures/sample/world.toml", "/operations/listTrunks/body")
    assert "it breaks the contract at /cursor: a required property is absent" in error.reason


def test_what_no_check_foresees_is_reported_of_the_folder(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last net: an exception of ours is an error of the data, and quotes nothing of them."""

    def broken(*_: object, **__: object) -> None:
        raise KeyError(SECRET)

    for name, folder in (("read_contract", "schemas/sample"), ("_cases", "fixtures/sample")):
        with monkeypatch.context() as patch:
            patch.setattr(loader, name, broken)
            error = trouble()
        assert (error.file, error.pointer, error.reason) == (folder, "", "cannot be understood: KeyError in broken")
        assert error.__cause__ is None


def test_a_secret_may_be_in_a_record(data: Path) -> None:
    """A record can hold what is never shown; the vendor knows it as a secret, and the mock does not show it."""
    edit_file(data / "fixtures" / "sample" / "trunks.json", lambda all_: all_[0].update(sip_password="hunter2hunter2"))
    sample = loader.load("sample")
    assert "hunter2hunter2" in sample.secrets
    request = Request("GET", "/trunks", "limit=100", (("authorization", f"Bearer {sample.world.token}"),))
    assert b"hunter2" not in mock.from_vendor(sample)(request).body


def test_one_id_may_be_in_two_accounts(data: Path) -> None:
    """An id names one trunk of an account; another account may have the same."""
    edit_file(
        data / "fixtures" / "sample" / "trunks.json",
        lambda all_: all_.append({**all_[0], "x-trunkline": {"account": "another"}}),
    )
    assert len(loader.load("sample").world.collections["trunks"].records) == 31


@pytest.mark.parametrize(
    ("edit", "at", "word"),
    [
        (lambda cases: cases[0].update(operation="getTrunk"), "/0/operation", "getTrunk"),
        (lambda cases: cases[0].pop("breaks"), "/0", "breaks"),
        (lambda cases: cases[0].update(colour=1), "/0", "colour"),
        (lambda cases: cases[0].update(source="a page"), "/0/source", "does not match"),
    ],
    ids=["operation", "missing", "unknown", "source"],
)
def test_a_sample_that_fits_nothing_stops_the_load(
    data: Path, edit: Callable[[Json], object], at: str, word: str
) -> None:
    """A sample of an operation that is not there, or in another form, is reported with its place."""
    edit_file(data / "fixtures" / "sample" / "cases.json", edit)
    error = trouble()
    assert (error.file, error.pointer) == ("fixtures/sample/cases.json", at)
    assert word in error.reason


# --- overlays -------------------------------------------------------------------------------------------------------


def record_of(name: str) -> Record:
    return dict(loader.load(name).world.collections["trunks"].records[0])


def overlay(tmp_path: Path, name: str, content: object, file: str = "trunks.json") -> Path:
    """A folder laid out as `fixtures/`, with one file."""
    (tmp_path / name).mkdir()
    (tmp_path / name / file).write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return tmp_path


def test_an_overlay_replaces_and_adds(tmp_path: Path) -> None:
    """A record of a known id takes the place of the shipped one, others join them."""
    first = record_of("telepath")
    folder = overlay(tmp_path, "telepath", [{**first, "name": "Mine"}, {**first, "id": "conn_mine00000"}])
    before = loader.load("telepath").world.collections["trunks"].records
    after = loader.load("telepath", overlay=folder).world.collections["trunks"].records
    assert len(after) == len(before) + 1
    assert {record["name"] for record in after if record["id"] == first["id"]} == {"Mine"}
    assert after[-1]["id"] == "conn_mine00000"


def test_an_overlay_of_another_account_replaces_nothing(tmp_path: Path) -> None:
    """A trunk with an equal id in another account is another trunk."""
    record = {**record_of("telepath"), "x-trunkline": {"account": "another"}}
    world = loader.load("telepath", overlay=overlay(tmp_path, "telepath", [record])).world
    assert len(world.collections["trunks"].records) == 31


def test_an_overlay_lies_over_generated_records(tmp_path: Path) -> None:
    """Both can be asked for: so many plausible records, and some of one's own."""
    folder = overlay(tmp_path, "telepath", [record_of("telepath")])
    records = loader.load("telepath", overlay=folder, trunks=5).world.collections["trunks"].records
    assert [record["id"] == "conn_abc123xyz" for record in records] == [False] * 5 + [True]


def test_an_overlay_without_the_vendors_folder_is_reported_how_to_lay_it_out(tmp_path: Path) -> None:
    """The sentence says which file belongs where."""
    with pytest.raises(UsageError, match=r"has no folder 'telepath'; put trunks\.json"):
        loader.load("telepath", overlay=tmp_path)
    with pytest.raises(UsageError, match="has no folder 'telepath'"):
        loader.load("telepath", overlay=tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("file", "content", "at", "word"),
    [
        ("lines.json", "[]", "", "is not a file of the data; there can be: trunks.json, calls.json, world.toml"),
        ("trunks.json", "[", "", "cut off"),
        ("trunks.json", "", "", "empty"),
        ("trunks.json", "{}", "", "not of type"),
        ("trunks.json", '[{"id": 1}]', "/0", "required properties are absent: name, status, "),
        ("trunks.json", '[{"id": "x", "colour": 1}]', "/0/colour", "no operation documents"),
    ],
    ids=["name", "broken", "empty", "object", "type", "unknown"],
)
def test_an_overlay_that_fits_nothing_stops_the_load(
    tmp_path: Path, file: str, content: str, at: str, word: str
) -> None:
    """The error names the user's own file, the place in it and the reason."""
    folder = overlay(tmp_path, "telepath", content, file)
    with pytest.raises(DataError) as caught:
        loader.load("telepath", overlay=folder)
    assert caught.value.file == str(folder / "telepath" / file)
    assert caught.value.pointer.startswith(at)
    assert word in caught.value.reason


def test_what_is_hidden_or_explains_an_overlay_is_passed_over(tmp_path: Path) -> None:
    """Hidden files and Markdown files do not stop the load."""
    folder = overlay(tmp_path, "telepath", [{**record_of("telepath"), "name": "Mine"}])
    for name in (".DS_Store", "README.md", "._trunks.json", ".gitkeep"):
        (folder / "telepath" / name).write_bytes(b"\0")
    assert loader.load("telepath", overlay=folder).world.collections["trunks"].records[0]["name"] == "Mine"


@pytest.mark.parametrize("names", [(), (".gitkeep",), ("README.md", ".DS_Store")])
def test_an_overlay_that_holds_nothing_is_reported(tmp_path: Path, names: tuple[str, ...]) -> None:
    """An overlay without a file is a mistake."""
    (tmp_path / "telepath").mkdir()
    for name in names:
        (tmp_path / "telepath" / name).touch()
    with pytest.raises(UsageError, match=r"telepath holds no data; put trunks\.json, calls\.json, world\.toml"):
        loader.load("telepath", overlay=tmp_path)


def test_a_file_of_an_overlay_with_a_mark_is_reported_as_a_file(tmp_path: Path) -> None:
    """A byte order mark, which some editors write first, is reported for the file, not for a body."""
    folder = overlay(tmp_path, "telepath", "\ufeff[]")
    with pytest.raises(DataError, match=r"trunks\.json: it starts with a byte order mark"):
        loader.load("telepath", overlay=folder)


def test_a_folder_within_an_overlay_stops_the_load(tmp_path: Path) -> None:
    """A folder with the name of a file of records is reported, without a crash."""
    (tmp_path / "telepath" / "trunks.json").mkdir(parents=True)
    with pytest.raises(DataError, match="cannot be read"):
        loader.load("telepath", overlay=tmp_path)


def test_an_id_that_an_overlay_names_twice_stops_the_load(tmp_path: Path) -> None:
    """Within one file an id is there once."""
    folder = overlay(tmp_path, "telepath", [record_of("telepath")] * 2)
    with pytest.raises(DataError, match="'conn_abc123xyz' is there twice"):
        loader.load("telepath", overlay=folder)


def tokens(*grants: tuple[str, str]) -> str:
    """The text of a world.toml with a token and its account for each grant."""
    return "".join(f'[[tokens]]\ntoken = "{token}"\naccount = "{account}"\n' for token, account in grants)


def test_an_overlay_adds_tokens_and_accounts(tmp_path: Path) -> None:
    """They come first, the shipped ones stay, and records may belong to an account that is there named."""
    text = tokens(("sk_fresh", "fresh"), ("sk_mine", "main"), ("sk_empty", "empty"))
    folder = overlay(tmp_path, "telepath", text, "world.toml")
    before = loader.load("telepath")
    record = {**record_of("telepath"), "x-trunkline": {"account": "fresh"}}
    (folder / "telepath" / "trunks.json").write_text(json.dumps([record]))
    vendor = loader.load("telepath", overlay=folder)
    assert list(vendor.world.tokens)[:3] == ["sk_fresh", "sk_mine", "sk_empty"]
    assert list(vendor.world.tokens)[3:] == list(before.world.tokens)
    assert (vendor.world.token, vendor.world.account) == ("sk_mine", before.world.account)
    assert vendor.world.rate_limit == before.world.rate_limit
    assert vendor.secrets >= {"sk_fresh", "sk_mine", "sk_empty", before.world.token}
    fake = mock.from_vendor(vendor)
    totals = [Client(vendor, fake, token).listed() for token in ("sk_fresh", "sk_empty", "sk_mine")]
    assert [len(listed) for listed in totals] == [1, 0, len(Client(before, mock.from_vendor(before)).listed())]
    made = Client(vendor, fake, "sk_empty").created("user-1")
    assert made not in Client(vendor, fake).listed()
    assert [trunk["id"] for trunk in fake.records("trunks").of("empty")] == [made]


def test_the_overlay_that_the_document_shows_is_valid(tmp_path: Path) -> None:
    """The two files of docs/mock.md can be copied."""
    text = (Path(__file__).parents[2] / "docs" / "mock.md").read_text("utf-8").partition("## Your own data")[2]
    [toml], [records] = (
        re.findall(f"```{kind}\n(.*?)```", text.split("\n## ")[0], re.DOTALL) for kind in ("toml", "json")
    )
    folder = overlay(tmp_path, "telepath", toml, "world.toml")
    (folder / "telepath" / "trunks.json").write_text(records)
    vendor = loader.load("telepath", overlay=folder)
    assert (vendor.world.token, vendor.world.rate_limit) == ("sk_test_1", 100)
    assert [*Client(vendor, mock.from_vendor(vendor), "sk_test_2").listed()] == ["conn_ours00001"]


def test_an_overlay_replaces_a_token(tmp_path: Path) -> None:
    """A token that is equal to a shipped one gets its account and its refusal from the overlay."""
    shipped = loader.load("talkover").world
    first = shipped.token
    refused = '[[tokens]]\ntoken = "talq_none"\naccount = "x"\nrefused = "permission_missing"\nnote = "of a guest"\n'
    folder = overlay(tmp_path, "talkover", tokens((first, "mine")) + refused, "world.toml")
    vendor = loader.load("talkover", overlay=folder)
    assert vendor.world.tokens[first].account == "mine"
    assert vendor.world.account == shipped.account, "records without an account stay where they are"
    assert vendor.world.token == list(shipped.tokens)[1]
    assert len(vendor.world.tokens) == len(shipped.tokens) + 1
    fake = mock.from_vendor(vendor)
    assert Client(vendor, fake, first).listed() == {}
    assert Client(vendor, fake, "talq_none").ask("GET", "/sip-trunks").status == 403


def test_an_overlay_may_hold_a_rate_limit_alone(tmp_path: Path) -> None:
    """The number of requests is the overlay's, unless another one is asked for."""
    vendor = loader.load("telepath", overlay=overlay(tmp_path, "telepath", "rate_limit = 1", "world.toml"))
    assert vendor.world.tokens == loader.load("telepath").world.tokens
    fake = mock.from_vendor(vendor)
    assert [Client(vendor, fake).ask("GET", "/trunks").status for _ in range(2)] == [200, 429]
    assert mock.from_vendor(vendor, rate_limit=7).rate[0] == 7


OWN_WORLDS = {
    "": ("", "is empty; there can be: tokens, rate_limit"),
    "# a note": ("", "is empty"),
    "format = 1\nrate_limit = 2": ("", 'has the unknown key "format"; there can be: tokens, rate_limit'),
    'token = "sk_hush"': ("", 'has the unknown key "token"; there can be: tokens, rate_limit'),
    f"{'k' * 500} = 1": ("", "has the unknown key"),
    "rate_limit = 0": ("/rate_limit", "minimum: 1"),
    "rate_limit = '5'": ("/rate_limit", "is not of type integer"),
    "rate_limit = nan": ("/rate_limit", "not a number that JSON has"),
    "tokens = []": ("/tokens", "minItems: 1"),
    '[tokens]\ntoken = "sk_hush"': ("/tokens", "is not of type array"),
    '[[tokens]]\ntoken = "sk_hush"': ("/tokens/0", 'lacks "account"'),
    '[[tokens]]\naccount = "main"': ("/tokens/0", 'lacks "token"'),
    tokens(("sk_hush", "")): ("/tokens/0/account", "minLength: 1"),
    tokens(("sk_one", "a"), ("sk hush", "b")): ("/tokens/1/token", "does not match"),
    tokens(("sk_hush", "a"), ("sk_hush", "b")): ("/tokens/1/token", "the token is there twice"),
    tokens(("sk_hush", "a")) + 'colour = "sk_hush"': ("/tokens/0", 'has the unknown key "colour"'),
    tokens(("sk_hush", "a")).replace("account", "acount"): ("/tokens/0", '"acount"; did you mean account?'),
    tokens(("sk_hush", "a")) + 'refused = "sk_hush"': ("/tokens/0/refused", 'is not one of "permission_missing"'),
    tokens(("sk_one", "a"), ("sk_hush", "a")) + 'refused = "permission_missing"': (
        "/tokens/1/refused",
        "no response of listTrunks answers permission_missing",
    ),
    tokens(
        *((token, "away") for token in ("sk_live_abc123def456...", "sk_live_xxxxxxxxxxxxxxxxxxxx", "YOUR_API_KEY"))
    ): (
        "/tokens",
        "no token gives access to 'main', the default account; add one",
    ),
    "[[tokens": ("", "is not TOML"),
}
"""Texts of an overlay's world.toml that stop the load, each with the place and a part of the reason."""


@pytest.mark.parametrize("text", OWN_WORLDS, ids=range(len(OWN_WORLDS)))
def test_a_mistake_in_the_world_of_an_overlay_stops_the_load(tmp_path: Path, text: str) -> None:
    """The error names the user's own file, the place in it and the reason, and quotes no value."""
    folder = overlay(tmp_path, "telepath", text, "world.toml")
    with pytest.raises(DataError) as caught:
        loader.load("telepath", overlay=folder)
    at, word = OWN_WORLDS[text]
    assert (caught.value.file, caught.value.pointer) == (str(folder / "telepath" / "world.toml"), at)
    assert word in caught.value.reason
    assert "hush" not in str(caught.value)
    assert len(caught.value.reason) < 120


def test_a_record_of_an_account_without_a_token_says_where_to_add_one(tmp_path: Path) -> None:
    """The accounts of the overlay are among those that there are."""
    record = {**record_of("telepath"), "x-trunkline": {"account": "nobody"}}
    folder = overlay(tmp_path, "telepath", [record])
    (folder / "telepath" / "world.toml").write_text(tokens(("sk_mine", "mine")))
    with pytest.raises(DataError) as caught:
        loader.load("telepath", overlay=folder)
    assert (caught.value.file, caught.value.pointer) == (
        str(folder / "telepath" / "trunks.json"),
        "/0/x-trunkline/account",
    )
    assert caught.value.reason.endswith("there are: another, main, mine; world.toml can add others")


def did_of(trunk: str, **more: Json) -> Record:
    """A DID of a trunk."""
    number = {"number": "+12025550199", "country_code": "US", "formatted_number": "(202) 555-0199"}
    return {"id": "did-mine", **number, "trunk_id": trunk, **more}


def test_an_overlay_of_what_belongs_to_nothing_is_reported_of_its_own_file(tmp_path: Path) -> None:
    """The place is that of the record in the user's file, whatever it is laid over."""
    records = [did_of("trunk-uuid-1"), did_of("trunk-uuid-9", id="did-lost")]
    folder = overlay(tmp_path, "talkover", records, "dids.json")
    with pytest.raises(DataError) as caught:
        loader.load("talkover", overlay=folder)
    assert (caught.value.file, caught.value.pointer) == (str(folder / "talkover" / "dids.json"), "/1/trunk_id")
    assert caught.value.reason == "there is no such record in trunks"


def test_an_overlay_may_hold_parents_and_children(tmp_path: Path) -> None:
    """Whichever file is read first: a DID may belong to a trunk of the same overlay."""
    trunk = {**record_of("talkover"), "id": "trunk-mine"}
    folder = overlay(tmp_path, "talkover", [trunk], "trunks.json")
    (folder / "talkover" / "dids.json").write_text(json.dumps([did_of("trunk-mine")]))
    for count in (None, 3):
        world = loader.load("talkover", overlay=folder, trunks=count).world
        assert list(world.orphans()) == []
        assert world.collections["dids"].records[-1]["trunk_id"] == "trunk-mine"


def test_what_belonged_to_shipped_records_goes_with_them() -> None:
    """Given trunks leave no DID that belongs to none of them, and generated ones have DIDs of their own."""
    shipped = {record["id"] for record in loader.load("talkover").world.collections["dids"].records}
    assert not shipped & {
        record["id"] for record in loader.load("talkover", trunks=5).world.collections["dids"].records
    }
    vendor = loader.load("talkover")
    assert loader.with_records(vendor, "trunks", []).world.collections["dids"].records == ()
    one = loader.with_records(vendor, "trunks", [record_of("talkover")]).world.collections["dids"].records
    assert {record["trunk_id"] for record in one} == {"trunk-uuid-1"}


@pytest.mark.parametrize("name", folders.names())
@pytest.mark.parametrize(("count", "least", "most"), [(0, 0, 0), (1, 1, 1), (50, 26, 50)])
def test_generated_records_belong_together(name: str, count: int, least: int, most: int) -> None:
    """Each collection gets as many, children belong to generated parents, and no id is shared."""
    world = loader.load(name, trunks=count, lint=True).world
    assert list(world.orphans()) == []
    ids = [record["id"] for collection in world.collections.values() for record in collection.records]
    assert len(ids) == len(set(ids)) == 2 * count
    parents = {record["trunk_id"] for record in (world.collections.get("calls") or world.collections["dids"]).records}
    assert least <= len(parents) <= most


def test_many_generated_trunks_have_a_thousand_children() -> None:
    """More would need the memory of as many trunks."""
    world = loader.load("telepath", trunks=1001).world
    assert {name: len(collection.records) for name, collection in world.collections.items()} == {
        "trunks": 1001,
        "calls": 1000,
    }


def test_generated_calls_end_when_they_last() -> None:
    """The end is the start and the duration."""
    for call in loader.load("telepath", trunks=20).world.collections["calls"].records:
        begin, end = (datetime.fromisoformat(call[name]) for name in ("start_time", "end_time"))
        assert (end - begin).total_seconds() == call["duration_seconds"]


def test_generated_dids_are_as_created_ones() -> None:
    """The effects of creation complete what the generators leave out."""
    numbers = [
        record["formatted_number"] for record in loader.load("talkover", trunks=2).world.collections["dids"].records
    ]
    assert numbers == ["(555) 000-0001", "(555) 000-0002"]


# --- records and tokens from Python ---------------------------------------------------------------------------------


def test_records_can_be_given(tmp_path: Path) -> None:
    """Records given in Python are checked as files are, and are then the only ones."""
    vendor = loader.load("telepath")
    first = record_of("telepath")
    assert loader.with_records(vendor, "trunks", []).world.collections["trunks"].records == ()
    changed = loader.with_records(vendor, "trunks", [{**first, "name": "Mine"}])
    assert [record["name"] for record in changed.world.collections["trunks"].records] == ["Mine"]
    assert len(vendor.world.collections["trunks"].records) == 30
    with pytest.raises(DataError, match=r"the records given for telepath's trunks#/0/colour"):
        loader.with_records(vendor, "trunks", [{**first, "colour": 1}])
    with pytest.raises(UsageError, match="telepath has no 'lines'; there are: trunks"):
        loader.with_records(vendor, "lines", [])


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("\ud800", "surrogate"),
        (float("nan"), "not a number that JSON has"),
        (float("inf"), "not a number that JSON has"),
        (b"x", "a bytes is not JSON"),
        ((1,), "a tuple is not JSON"),
        ({1: 2}, "a name in it is no text"),
        (10**5000, "out of range"),
    ],
    ids=["surrogate", "nan", "inf", "bytes", "tuple", "name", "digits"],
)
def test_records_that_are_not_json_are_reported(value: object, reason: str) -> None:
    """A value that Python has and JSON does not is reported with its place."""
    with pytest.raises(DataError, match=reason) as caught:
        loader.with_records(loader.load("telepath"), "trunks", [{**record_of("telepath"), "name": value}])
    assert caught.value.pointer == "/0/name"


def test_tokens_can_be_given() -> None:
    """Tokens given in Python open the first account only; the other accounts keep theirs."""
    vendor = override(loader.load("telepath"), tokens=("mine", "yours"))
    assert set(vendor.world.tokens) == {"mine", "yours", "sk_live_another_account"}
    assert vendor.world.token == "mine"
    assert {"mine", "yours"} <= vendor.secrets
    assert [vendor.world.tokens[token].account for token in ("mine", "yours")] == ["main", "main"]


# --- generated records ----------------------------------------------------------------------------------------------


def records(name: str, count: int, seed: int = 0) -> tuple[Record, ...]:
    return loader.load(name, trunks=count, seed=seed).world.collections["trunks"].records


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
    vendor: Vendor = loader.load(name, trunks=count)
    made = vendor.world.collections["trunks"].records
    assert len(made) == len({record["id"] for record in made}) == count
    shown = [operation for operation in vendor.contract.operations if operation.resource == "trunks" and operation.view]
    assert len(shown) >= 3
    for operation in shown:
        for record in made:
            assert list(operation.item_violations(project(record, operation.view))) == []
    for record in made:
        assert record["created_at"] < record["updated_at"]
    loader.with_records(vendor, "trunks", list(made))


@pytest.mark.parametrize("name", VENDORS)
def test_generated_records_are_plausible(name: str) -> None:
    """Among many there is each choice, text beyond ASCII, and a secret where the vendor has one."""
    made = records(name, 300)
    text = json.dumps(made, ensure_ascii=False)
    assert not text.isascii()
    for field in (
        ("status", "ai_provider") if name == "telepath" else ("transport", "port", "is_active", "health_status")
    ):
        assert len({record[field] for record in made}) >= 2
    names = loader.load(name).contract.secrets
    secrets = [record[secret] for record in made for secret in names if secret in record]
    assert len(set(secrets)) == len(secrets)


GENERATED: dict[str, tuple[str, str, str, str]] = {
    "a choice that is not listed": (
        '"active", "active", "inactive", "error"]',
        '"active", "active", "inactive", "bogus"]',
        f"{GENERATE}/status",
        '"bogus" is not one of',
    ),
    "a null that is not allowed": (
        'sip_username = { serial = "line-{}" }',
        'sip_username = { null = 0.0001, serial = "line-{}" }',
        f"{GENERATE}/sip_username",
        "null is not of type string",
    ),
    "an order by what can be null": (
        "created_at = { time",
        "created_at = { null = 1.0, time",
        f"{GENERATE}/created_at",
        "null is not of type string",
    ),
    "a field that is not made": (
        'ai_provider = { one_of = ["openai", "elevenlabs", "custom"] }',
        "",
        GENERATE,
        "absent",
    ),
    "a field of no page": (
        'sip_username = { serial = "line-{}" }',
        'sip_username = { serial = "line-{}" }\ncolour = { uuid = true }',
        f"{GENERATE}/colour",
        "no operation documents",
    ),
    "a number beyond its bounds": (
        "between = [80, 100]",
        "between = [80, 1000000]",
        f"{GENERATE}/metrics/fields/success_rate",
        "more than 100",
    ),
    "a secret that is too short": (
        'sip_username = { serial = "line-{}" }',
        'sip_username = { serial = "line-{}" }\nsip_password = { serial = "{}" }',
        f"{GENERATE}/sip_password",
        "8 characters",
    ),
}
"""A mistake in a generator -> a text of the world, its replacement, place and reason when it is used."""


@pytest.mark.parametrize("name", GENERATED)
@pytest.mark.parametrize("count", [1, 5, 1000])
def test_a_recipe_that_makes_what_no_page_allows_stops_the_load(data: Path, name: str, count: int) -> None:
    """Generated records are checked as others are, and so is each value that a recipe seldom chooses."""
    old, new, at, word = GENERATED[name]
    rewritten(data / "fixtures" / "sample" / "world.toml", old, new)
    with pytest.raises(DataError) as caught:
        loader.load("sample", trunks=count)
    assert caught.value.file == "fixtures/sample/world.toml"
    assert caught.value.pointer.startswith(at)
    assert word in caught.value.reason


def test_shipped_records_do_not_change_with_a_seed() -> None:
    """A seed is for generated records; the fixtures are what they are."""
    one, other = (loader.load("telepath", seed=seed).world.collections["trunks"].records for seed in (0, 1))
    assert one == other
