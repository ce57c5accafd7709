"""The folders with the data of vendors, and with the documentation.

This module imports little, since every pytest run imports it. In a wheel the folders are in `trunkline/_data`, in a
checkout in its top folder. `TRUNKLINE_DATA` names one more folder with `schemas/` and `fixtures/`, for your own
vendors; an empty value names none.
"""

from __future__ import annotations

import os
from pathlib import Path

from trunkline.errors import UsageError


def roots() -> tuple[Path, ...]:
    """The folders that hold `schemas/` and `fixtures/`, trunkline's own first.

    Raises `UsageError` when `TRUNKLINE_DATA` names a folder without them, or a vendor that trunkline has too.
    """
    own = _own()
    more = os.environ.get("TRUNKLINE_DATA")
    if not more:
        return (own,)
    if not (Path(more) / "schemas").is_dir():
        raise UsageError(f"TRUNKLINE_DATA names {more!r}, which has no folder schemas/; correct the path, or unset it")
    for name in sorted(_vendors(Path(more)) & _vendors(own)):
        raise UsageError(f"TRUNKLINE_DATA holds a vendor {name!r}, and trunkline has one; give the folder another name")
    return own, Path(more)


def pages() -> dict[str, Path]:
    """The pages of the documentation by name: `{"README": .../README.md, "mock": .../docs/mock.md}`."""
    return {path.stem: path for path in (_own() / "README.md", *sorted((_own() / "docs").glob("*.md")))}


def names() -> tuple[str, ...]:
    """The names of all vendors, in alphabetical order."""
    return tuple(sorted({name for root in roots() for name in _vendors(root)}))


def _own() -> Path:
    package = Path(__file__).resolve().parents[1]
    return package / "_data" if (package / "_data").is_dir() else package.parents[1]


def _vendors(root: Path) -> set[str]:
    return {path.name for path in (root / "schemas").glob("*/")}
