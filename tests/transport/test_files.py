"""Tests of `trunkline.transport.files`: a file or a pipe is read whole, or refused with one sentence."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from trunkline.errors import UsageError
from trunkline.transport.files import read_source

BODY_TEXT = b'{"id": "a"}'


def test_a_file_is_read(tmp_path: Path) -> None:
    """All its bytes are read, up to the limit."""
    path = tmp_path / "body.json"
    path.write_bytes(BODY_TEXT)
    assert read_source(str(path)) == BODY_TEXT
    assert read_source(str(path), len(BODY_TEXT)) == BODY_TEXT
    with pytest.raises(UsageError, match="holds 11 bytes or more, and 10 is the limit"):
        read_source(str(path), 10)


def test_an_unreadable_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message gives the reason."""
    with pytest.raises(UsageError, match="no name"):
        read_source("")
    with pytest.raises(UsageError, match="there is no such file"):
        read_source(str(tmp_path / "absent"))
    with pytest.raises(UsageError, match="it is a directory"):
        read_source(str(tmp_path))
    with pytest.raises(UsageError, match="not a file name"):
        read_source("a\0b")
    with pytest.raises(UsageError, match="file name too long"):
        read_source("a" * 5000)

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UsageError, match="permission is denied"):
        read_source("x")


def test_a_named_pipe_is_refused(tmp_path: Path) -> None:
    """It may never have a writer. The pipe of a shell for `<(command)` has one, and is read."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(UsageError, match="is a named pipe, which may never end; pipe it in, and name - instead"):
        read_source(str(pipe))
    end, start = os.pipe()
    os.write(start, BODY_TEXT)
    os.close(start)
    for place in (f"/dev/fd/{end}", f"/proc/self/fd/{end}"):
        assert read_source(place) in {BODY_TEXT, b""}  # the first takes it all
    os.close(end)


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    """Its size is enough to refuse it."""
    with (tmp_path / "big").open("wb") as stream:
        stream.truncate(200 << 20)
    with pytest.raises(UsageError, match="holds 209715200 bytes or more, and 67108864 is the limit; cut out one"):
        read_source(str(tmp_path / "big"))


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe is read; a terminal, a closed descriptor and too many bytes are refused."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(BODY_TEXT)))
    assert read_source("-") == BODY_TEXT
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(BODY_TEXT)))
    with pytest.raises(UsageError, match="'-' holds 5 bytes or more"):
        read_source("-", 4)
    terminal = io.BytesIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(terminal))
    with pytest.raises(UsageError, match="terminal"):
        read_source("-")
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(UsageError, match="closed"):
        read_source("-")
