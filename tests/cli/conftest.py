"""An implementation for the tests of the command line, with and without findings."""

from __future__ import annotations

from pathlib import Path

import pytest

from trunkline.check.runner import Checker

FUZZ = Checker.fuzz
TOKEN = "tok_hush_0123456789"
APP = """
import json
from dataclasses import replace
import trunkline
from trunkline import mock
from trunkline.mock.recording import override
from trunkline.transport import asgi
vendor = override(trunkline.load("telepath"), tokens=["tok_hush_" + "0123456789"])
good = mock.from_vendor(vendor)
def wrong(provider):
    def target(request):
        response = good(request)
        if request.path != "/trunks" or response.status != 200 or not response.body:
            return response
        body = json.loads(response.body)
        for trunk in body["trunks"]:
            trunk["ai_provider"] = provider
        return replace(response, body=json.dumps(body).encode())
    return asgi.application(target, base="/v1")
right, busy, worse = asgi.application(good, base="/v1"), wrong("busy"), wrong(TOKEN := "tok_hush_" + "0123456789")
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with implementations that are right and wrong, and the credential in the environment.

    A check of them is without Schemathesis, which would find nothing else, and takes most of the time. A test that
    needs it sets `FUZZ` again.
    """
    monkeypatch.setattr(Checker, "fuzz", lambda *_: None)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("TRUNKLINE_TOKEN", TOKEN)
    (tmp_path / f"{tmp_path.name}.py").write_text(APP)
    return tmp_path
