"""Read and write files that the user names, with one sentence for everything that can be wrong."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from trunkline.errors import UsageError, reason_of

MOST_BYTES = 64 << 20

EMPTY = "standard input is empty; check the command that should send a response"

_DESCRIPTORS = ("/dev/fd/", "/dev/stdin", "/proc/self/fd/")
"""The names that a shell gives to `<(command)`. Such a pipe has a writer, so reading it ends."""


def read_source(source: str, limit: int = MOST_BYTES) -> bytes:
    """The bytes of a file, or of standard input for `-`. Raises `UsageError` with the reason and how to fix it."""
    with open_source(source) as stream:
        size = 0 if source == "-" else os.fstat(stream.fileno()).st_size
        data = stream.read(limit + 1) if size <= limit else b""
    size = max(size, len(data))
    if source == "-" and not data:
        raise UsageError(EMPTY)
    if size > limit:
        raise UsageError(f"{source!r} holds {size} bytes or more, and {limit} is the limit; cut out one response")
    return data


@contextmanager
def open_source(source: str) -> Iterator[BinaryIO]:
    """A file, or standard input for `-`, to be read. Raises `UsageError` if it cannot be opened, or cannot be read."""
    if not source:
        raise UsageError("the source has no name; name a file, or - for standard input")
    try:
        if source == "-":
            yield _standard_input()
            return
        if Path(source).is_fifo() and not source.startswith(_DESCRIPTORS):
            raise UsageError(f"{source!r} is a named pipe, which may never end; pipe it in, and name - instead")
        with Path(source).open("rb") as stream:
            yield stream
    except OSError as error:
        raise UsageError(f"{source!r} cannot be read: {_reason(error)}") from None
    except ValueError:
        raise UsageError(f"{source!r} cannot be read: it is not a file name, or the file is closed") from None


def replace_file(path: Path, data: bytes) -> None:
    """Write a file whole, or leave it as it was. A device or a pipe is written to."""
    if path.exists() and not path.is_file():
        path.write_bytes(data)
        return
    path = path.resolve()  # a link stays
    written = path.with_name(f".{path.name[:100]}.{os.getpid()}")
    try:
        with written.open("xb") as file:
            file.write(data)
        if path.exists():
            written.chmod(path.stat().st_mode & 0o777)
        written.replace(path)
    except BaseException:
        with suppress(OSError):
            written.unlink()
        raise


def check_apart(file: str, others: Iterable[str | None], option: str) -> None:
    """Raise `UsageError` if the `file` of an option is one of the others that a run reads or writes."""
    if any(other and Path(other).resolve() == Path(file).resolve() for other in others):
        raise UsageError(f"{option}: {file} is already used in this run, and would be lost; name another file")


def _standard_input() -> BinaryIO:
    stream: BinaryIO | None = getattr(sys.stdin, "buffer", None)
    if stream is None:
        raise UsageError("standard input is closed; pipe a response in, or name a file")
    if stream.isatty():
        raise UsageError("standard input is a terminal; pipe a response in, or name a file")
    return stream


def _reason(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, IsADirectoryError):
        return "it is a directory; name a file in it"
    if isinstance(error, PermissionError):
        return "permission is denied"
    return reason_of(error)
