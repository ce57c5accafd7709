"""Tests of `trunkline.contract.schema`: two validators, one set of formats."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

from trunkline.check.rules import judge
from trunkline.contract import folders
from trunkline.contract.formats import FORMAT_CHECKS
from trunkline.contract.loader import read_contract
from trunkline.contract.schema import Schemas
from trunkline.errors import DataError
from trunkline.exchange import Exchange, Json, Request, Response
from trunkline.findings import Grade
from trunkline.mock import loader

ROOT = folders.roots()[0]

VALUES: dict[str, dict[str, bool]] = {
    "date-time": {
        "2024-01-01T00:00:00Z": True,
        "2024-01-01t00:00:00z": True,
        "2024-01-01T00:00:00.1234567890123Z": True,
        "2024-01-01T00:00:00-00:00": True,
        "2024-01-01T00:00:00+23:59": True,
        "2024-02-29T00:00:00Z": True,
        "0000-01-01T00:00:00Z": True,
        "0000-02-29T00:00:00Z": True,
        "2016-12-31T23:59:60Z": True,
        "2016-12-31T23:59:60.5Z": True,
        "2016-12-31T18:59:60-05:00": True,
        "2017-01-01T00:59:60+01:00": True,
        "2024-01-01T12:59:60Z": False,
        "2016-12-31T23:59:60+14:00": False,
        "2024-01-01T00:00:61Z": False,
        "2023-02-29T00:00:00Z": False,
        "1900-02-29T00:00:00Z": False,
        "2024-13-01T00:00:00Z": False,
        "2024-00-01T00:00:00Z": False,
        "2024-01-00T00:00:00Z": False,
        "2024-01-01T24:00:00Z": False,
        "2024-01-01T00:00:00+24:00": False,
        "2024-01-01T00:00:00+0100": False,
        "2024-01-01T00:00:00,5Z": False,
        "2024-01-01T00:00:00.Z": False,
        "2024-01-01 00:00:00Z": False,
        "2024-01-01T00:00:00Z\n": False,
        " 2024-01-01T00:00:00Z": False,
        "2024-01-01T00:00:00": False,
        "2024-01-01T00:00Z": False,
        "20240101T000000Z": False,
        "\u0662024-01-01T00:00:00Z": False,
        "2024-01-01": False,
        "": False,
    },
    "date": {"2024-01-01": True, "2024-02-30": False, "2024-1-1": False, "2024-01-01\n": False, "20240101": False},
    "time": {"14:22:15Z": True, "23:59:60Z": True, "14:22:15": False, "24:00:00Z": False, "14:22Z": False},
    "uuid": {"f81d4fae-7dec-11d0-a765-00a0c91e6bf6": True, "f81d4fae7dec11d0a76500a0c91e6bf6": False, "x": False},
    "email": {"a.b@example.com": True, "a@b": True, "a b@example.com": False, "example.com": False, "@b": False},
    "hostname": {
        "sip.example.com": True,
        "ſip.example.com": False,
        "a" * 63: True,
        "a" * 64: False,
        "-a.example": False,
        "a..b": False,
    },
    "ipv4": {"127.0.0.1": True, "127.0.0.01": False, "256.0.0.1": False, "127.1": False},
    "ipv6": {"::1": True, "2001:db8::8a2e:370:7334": True, "fe80::1%eth0": False, "12345::": False, "1": False},
    "uri": {"https://example.com/a?b=c#d": True, "urn:a:b": True, "//example.com": False, "a b:c": False, "x": False},
}


@pytest.mark.parametrize("name", FORMAT_CHECKS)
def test_both_validators_agree_on_a_format(name: str) -> None:
    """A text of each format, and texts that are nearly of it, get the same verdict from both validators."""
    schemas = Schemas("x", {"a.json": {"format": name}})
    assert True in VALUES[name].values()
    assert False in VALUES[name].values()
    for text, wanted in VALUES[name].items():
        assert schemas.accepts("a.json#", text) is wanted, text
        assert (not schemas.errors("a.json#", text)) is wanted, text
        assert (not schemas.second_opinion("a.json#", text)) is wanted, text
    others: tuple[Json, ...] = (None, 1, True, [], {})
    for other in others:
        assert schemas.accepts("a.json#", other)
        assert not schemas.second_opinion("a.json#", other)


def page_with_name(tmp_path: Path, name: str) -> list[tuple[Grade, str, str]]:
    """Grade, place and message of each finding of the schema in a page whose first trunk has that name."""
    folder = Path(shutil.copytree(ROOT / "schemas" / "telepath", tmp_path / "telepath"))
    content = json.loads((folder / "trunk.json").read_text("utf-8"))
    content["properties"]["name"]["pattern"] = "^[A-Z]+$"
    (folder / "trunk.json").write_text(json.dumps(content), "utf-8")
    operation = read_contract(folder, "telepath").operation("listTrunks")
    case = next(case for case in loader.load("telepath").cases if case["name"] == "the page's sample")
    body = json.loads(json.dumps(case["body"]))
    for trunk in body["trunks"]:
        trunk["name"] = "NORTH"
    body["trunks"][0]["name"] = name
    exchange = Exchange(Request("GET", "/trunks"), Response(200, (), json.dumps(body).encode()))
    found = [finding for finding in judge(operation, exchange) if finding.rule == "body_matches_schema"]
    assert all(finding.contract == "schemas/telepath/trunk.json#/properties/name/pattern" for finding in found)
    return [(finding.evidence.grade, finding.at, finding.message) for finding in found]


def test_a_disagreement_is_a_note_that_names_both_verdicts(tmp_path: Path) -> None:
    """In Python `$` matches before a last newline, in ECMA 262 it does not: no run fails for one verdict alone."""
    found = page_with_name(tmp_path, "NORTH\n")
    assert found == [
        (
            Grade.CUSTOMARY,
            "body/trunks/0/name",
            'jsonschema-rs refuses this and jsonschema accepts it: "NORTH\\n" does not match ^[A-Z]+$',
        )
    ]


def test_what_both_refuse_is_a_finding_in_the_words_of_jsonschema(tmp_path: Path) -> None:
    """The finding stands on the evidence of the keyword, and jsonschema words it."""
    found = page_with_name(tmp_path, "north")
    assert [(grade is Grade.CUSTOMARY, at, message) for grade, at, message in found] == [
        (False, "body/trunks/0/name", '"north" does not match "^[A-Z]+$"')
    ]


SENTENCES: list[tuple[Json, Json, str]] = [
    ({"type": "string"}, None, 'null is not of type "string"'),
    ({"type": ["string", "null"]}, True, 'true is not of type "string", "null"'),
    ({"enum": ["a", None]}, "None", '"None" is not one of ["a", null]'),
    ({"const": True}, False, "true was expected"),
    ({"minItems": 1}, [], "[] should be non-empty"),
    ({"uniqueItems": True}, [None, None], "[null, null] has non-unique elements"),
    ({"required": ["a"]}, {}, '"a" is a required property'),
    ({"properties": {"a": False}}, {"a": None}, "False schema does not allow null"),
]


@pytest.mark.parametrize(("schema", "value", "sentence"), SENTENCES)
def test_a_sentence_has_values_as_json(schema: Json, value: Json, sentence: str) -> None:
    """As `seen` and `expected` have them, and not as Python writes them."""
    assert [error.message for error in Schemas("x", {"a.json": schema}).second_opinion("a.json", value)] == [sentence]


def test_a_pattern_that_one_validator_cannot_read_stops_the_load(tmp_path: Path) -> None:
    r"""`\p{L}` is ECMA 262 but no expression of Python, so jsonschema could not confirm anything."""
    folder = Path(shutil.copytree(ROOT / "schemas" / "telepath", tmp_path / "telepath"))
    content: Json = json.loads((folder / "trunk.json").read_text("utf-8"))
    content["properties"]["name"]["pattern"] = "^\\p{L}$"
    (folder / "trunk.json").write_text(json.dumps(content), "utf-8")
    with pytest.raises(DataError, match="is not an expression that can be checked"):
        read_contract(folder, "telepath")


@pytest.mark.parametrize(("body", "imported"), [({"trunks": []}, True), (None, False)])
def test_jsonschema_is_imported_only_for_what_is_invalid(body: Json, imported: bool) -> None:
    """Neither loading, nor the mock's refusals, nor a valid body import it."""
    script = f"""
import json, sys, trunkline
from trunkline import mock
from trunkline.check.rules import judge
from trunkline.exchange import Exchange, Request, Response
vendor = trunkline.load("telepath")
target = mock.from_vendor(vendor)
headers = (("authorization", "Bearer " + vendor.world.token), ("content-type", "application/json"))
assert target(Request("POST", "/trunks", "", headers, b'{{"name": 1}}')).status == 400
request = Request("GET", "/trunks", "", headers)
response = target(request)
body = {body!r}
if body is not None:
    response = Response(200, (), json.dumps(body).encode())
found = list(judge(vendor.contract.operation("listTrunks"), Exchange(request, response)))
print(bool(found), "jsonschema" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(imported), str(imported)]


def test_no_text_of_a_format_is_kept_or_takes_long() -> None:
    """A text of any length is checked in a time and a memory of its own length, and then forgotten."""
    texts = ["2024-01-01T00:00:00." + "0" * size for size in range(500_000, 500_020)]
    texts += ["a" * 500_000 + "@", "a." * 250_000, "x@" + "a." * 250_000, "a:" + "%41b" * 100_000 + " "]
    tracemalloc.start()
    try:
        for text in texts:
            for name, accepts in FORMAT_CHECKS.items():
                assert not accepts(text), name
        kept, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 1 << 20
    assert most < 8 << 20
