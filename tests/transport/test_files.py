"""Tests of `trunkline.transport.files`: a file or a pipe is read whole, or refused with a sentence."""

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
    """Byte for byte, up to the limit."""
    path = tmp_path / "body.json"
    path.write_bytes(BODY_TEXT)
    assert read_source(str(path)) == BODY_TEXT
    assert read_source(str(path), len(BODY_TEXT)) == BODY_TEXT
    with pytest.raises(UsageError, match="holds 11 bytes or more, and 10 is the limit"):
        read_source(str(path), 10)


def test_a_file_that_cannot_be_read_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each kind of trouble says what is wrong."""
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


def test_a_named_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """Nobody may ever write there; what a shell puts in the place of `<(command)` is read."""
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


def test_a_file_of_200_megabytes_is_a_sentence(tmp_path: Path) -> None:
    """It is told from its size, and not read."""
    with (tmp_path / "big").open("wb") as stream:
        stream.truncate(200 << 20)
    with pytest.raises(UsageError, match="holds 209715200 bytes or more, and 67108864 is the limit; cut out one"):
        read_source(str(tmp_path / "big"))


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe is read; a terminal, a closed descriptor and too much are refused with a sentence."""
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
