"""The return to the fixtures over the admin surface."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from tests.transport.admin.surface import Admin, app_of
from trunkline.mock import loader
from trunkline.mock.session import MockSession


def test_a_name_that_is_not_utf_8_can_be_reported(tmp_path: Path) -> None:
    """A reset that is refused because of such a file answers with its name, escaped."""
    reread = partial(loader.load, overlay=tmp_path)
    client = Admin(app_of(MockSession([loader.load("telepath")], reread=reread)))
    folder = tmp_path / "telepath"
    folder.mkdir()
    (folder / os.fsdecode(b"\xff.json")).write_text("[]")
    status, sentence = client.error("POST", "/reset")
    assert status == 409
    assert "\\udcff.json" in sentence
