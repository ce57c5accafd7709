"""Reports in files: each file is replaced whole by the report in its format, or left as it was."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, TypeAlias

from trunkline.errors import UsageError, reason_of
from trunkline.report import FORMATS
from trunkline.transport.files import check_apart, replace_file

if TYPE_CHECKING:
    from trunkline.findings import Report
    from trunkline.report.run import RunInfo

Destination: TypeAlias = tuple[str, str]
"""A format and the name of a file: `("json", "report.json")`."""


def check_files(
    destinations: Sequence[Destination], option: str = "--report", others: Iterable[str | None] = ()
) -> None:
    """Raise `UsageError` for a file that cannot be written, so that a run need not end to tell.

    Nor may it be one of the `others`, which the run reads or writes, and which would be lost.
    """
    others = [*others]
    files: dict[Path, str] = {}
    for name, file in destinations:
        path = Path(file).resolve()
        if other := files.get(path):
            raise UsageError(f"{option}: two reports, {other} and {name}, cannot be in one file, {file}")
        files[path] = name
        if Path(file).exists() and not (path.is_dir() or path.is_file()):
            continue  # a device or a pipe
        check_apart(file, others, option)
        if path.is_dir():
            raise UsageError(f"{option}: {file} is a folder; name a file in it")
        if not path.parent.is_dir():
            raise UsageError(f"{option}: {file} is in a folder that does not exist; make it first")
        try:
            with TemporaryFile(dir=path.parent):
                pass
        except OSError as error:
            raise _unwritable(file, error) from None


def write_files(report: Report, run: RunInfo, destinations: Iterable[Destination]) -> None:
    """Write the report to each file in its format. Raises `UsageError` for the first that cannot be written."""
    errors: list[UsageError] = []
    for name, file in destinations:
        try:
            replace_file(Path(file), FORMATS[name](report, run).encode("utf-8", "backslashreplace"))
        except OSError as error:
            errors.append(_unwritable(file, error))
    if errors:
        raise errors[0]


def _unwritable(file: str, error: OSError) -> UsageError:
    return UsageError(f"{file} cannot be written: {reason_of(error)}")
