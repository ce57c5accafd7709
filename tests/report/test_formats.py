"""Every format of `FORMATS`: its text is whole, and shows no secret, wherever one is."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from urllib.parse import quote

import pytest

from trunkline.exchange import Exchange, Request, Response
from trunkline.findings import Evidence, Finding, Grade, Report
from trunkline.report import FORMATS
from trunkline.report.run import RunInfo

TOKEN = "sk_live_Canary0123456789"
PASSWORD = "Canary &<>\"'|`é pass"
KEY = "CanaryKey/+=9876543210"
SECRETS = (TOKEN, PASSWORD, KEY)
NAMED = "CanaryUnknownToTheReport"
"""A secret that only the name of its field shows to be one."""


def planted(secret: str, grade: Grade = Grade.DOCUMENTED, method: str = "POST") -> Finding:
    """A finding with a secret in each of its parts."""
    request = Request(
        method,
        f"/trunks/{quote(secret, safe='')}",
        f"api_key={quote(secret)}&limit=1",
        (("authorization", f"Bearer {secret}"), ("x-api-key", secret), ("cookie", f"sid={secret}"), ("x-note", secret)),
        json.dumps({"sip_password": NAMED, "name": secret}).encode(),
    )
    response = Response(200, (("set-cookie", f"sid={secret}"), ("location", f"/x?token={secret}")), secret.encode())
    evidence = Evidence(grade, "https://docs.example.com/list", f"the sample {secret}")
    return Finding(
        "secrets_stay_hidden",
        "createThing",
        evidence,
        f"the response has {secret}",
        f"body/{secret}/0",
        "schemas/telepath/trunk.json#/properties/status",
        f"not {secret!r}",
        json.dumps({"password": secret}),
        (Exchange(request, response),),
        sources=(f"{secret}.har#/log/entries/0", f"dump.txt:{len(secret)}"),
    )


def planted_report() -> Report:
    """A report with secrets in each of its parts."""
    made = Report(secrets=frozenset(SECRETS))
    for secret in SECRETS:
        for grade in (Grade.DOCUMENTED, Grade.CUSTOMARY):
            made.add(planted(secret, grade))
            made.add(planted(secret, grade, "GET"))
        made.exercised["createThing", f"law {secret}"] = f"answered {secret}"
        made.rules["createThing", f"rule {secret}"] = f"answered {base64.b64encode(secret.encode()).decode()}"
        made.not_implemented[f"op{secret}"] = f"404 for GET /{secret}"
        made.unasked["getThing"] = f"the account {secret} is empty"
        made.leftovers.append(f"trunks {secret}")
        made.reading.judged[f"{secret}.har"] = 1
        made.reading.skip(f"{secret}.png", f"{secret} is a picture")
        made.stopped = f"it answered {secret}"
    return made


@pytest.mark.parametrize("name", FORMATS)
def test_no_secret_is_in_any_format(name: str) -> None:
    """A token, a password and a key, planted in header, cookie, body, path, query, file and reason, are nowhere."""
    run = RunInfo(
        "acme",
        f"http://127.0.0.1/{quote(TOKEN)}",
        documented=(("createThing", "200"), ("getThing", "200")),
        secrets=frozenset({"sip_password"}),
        script=lambda _: f"#!/bin/sh\necho '{TOKEN}'\necho '{PASSWORD}'\necho '{KEY}'\n",
    )
    text = FORMATS[name](planted_report(), run).lower()
    parts = ["canary", "2canary", TOKEN[8:].lower(), "0123456789", "9876543210"]
    parts += [base64.b64encode(secret.encode()).decode()[:-4].lower() for secret in SECRETS]
    assert [part for part in parts if part in text] == []


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_is_whole_for_any_run(name: str) -> None:
    """An empty report, one without an address and one with characters that no terminal shows end with a line break."""
    strange = Report()
    strange.add(Finding("a", "b", Evidence(Grade.IMPLIED), "\x00\x1b[2J\udcff\u2028\n"))
    for made in (Report(), strange, planted_report()):
        text = FORMATS[name](made, RunInfo("acme"))
        assert text.endswith("\n")
        assert not text.endswith("\n\n")
        assert text.encode()
        assert "\x1b" not in text
        assert "\x00" not in text


def test_the_document_has_each_format() -> None:
    """docs/report.md says what each is for."""
    document = (Path(__file__).parents[2] / "docs" / "report.md").read_text("utf-8")
    assert {*FORMATS} <= {*re.findall(r"^\| `(\w+)` \| [^|]+ \|$", document, re.MULTILINE)}
