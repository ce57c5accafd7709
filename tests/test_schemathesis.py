"""Schemathesis' own command line with the exported document finds nothing wrong with the served mock."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import trunkline
from trunkline import mock
from trunkline.contract import folders
from trunkline.contract.export import document
from trunkline.transport import server


@pytest.mark.slow
@pytest.mark.parametrize("name", folders.names())
def test_schemathesis_finds_nothing(name: str, tmp_path: Path) -> None:
    """All its phases and checks pass, with the credential as a header."""
    vendor = trunkline.load(name)
    base = vendor.contract.base_path
    with server.running(server.asgi({base: mock.from_vendor(vendor)})) as url:
        exported = document(vendor.contract, url=url + base, examples=vendor.example_ids)
        (tmp_path / "openapi.json").write_text(json.dumps(exported), "utf-8")
        credential = ("-H", f"Authorization: Bearer {vendor.world.token}")
        generated, passed = run_schemathesis(tmp_path, "openapi.json", "--url", url + base, *credential)
    assert generated == passed > 50


def run_schemathesis(folder: Path, document: str, *arguments: str) -> tuple[int, int]:
    """Run Schemathesis' own command line, which must find nothing: the cases that it generated, and that passed."""
    done = subprocess.run(
        [Path(sys.executable).with_name("schemathesis"), "run", document, "--seed", "1", *arguments],
        cwd=folder,
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    summary = re.search(r"(\d+) generated, (\d+) passed", done.stdout)
    assert done.returncode == 0, done.stdout
    assert summary is not None, done.stdout
    return int(summary[1]), int(summary[2])
