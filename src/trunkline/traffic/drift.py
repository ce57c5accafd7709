"""Observe an API in recorded traffic, and write what differs from its contract to the files of the contract."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from trunkline.check.drift import Drift, Patch, Profile, drift
from trunkline.contract.folders import roots
from trunkline.contract.requests import operations_named
from trunkline.errors import UsageError
from trunkline.mock.loader import Vendor, lint_schemas, root_of
from trunkline.traffic.pieces import name_of
from trunkline.traffic.sources import files_of, read_entries
from trunkline.traffic.validation import completed, operation_of

_MOST_SKIPPED = 1000
"""The number of places that were left out and are kept."""


def drift_files(
    vendor: Vendor, sources: Sequence[str], against: Sequence[str] = (), operations: Sequence[str] = ()
) -> Drift:
    """How the API in a recording differs from the contract, or from the API in an older recording, `against`.

    Sources are files, folders, and `-` for standard input; with `operations`, only exchanges with these count. The
    memory that it takes does not grow with the recording. Raises `UsageError` when nothing in a recording can be read.
    """
    profile, not_read, skipped = _observed(vendor, sources, operations)
    older = _observed(vendor, against, operations)[0] if against else None
    return replace(drift(profile, older), not_read=not_read, skipped=skipped)


def _observed(vendor: Vendor, sources: Sequence[str], operations: Sequence[str]) -> tuple[Profile, dict[str, str], int]:
    """The profile of a recording, the reasons why entries were left out, by place, and the number of those entries."""
    among = tuple(operations_named(operations, vendor.contract.operations))
    profile, left_out, skipped = Profile(vendor), dict[str, str](), 0
    for file in [file for source in sources for file in files_of(source)]:
        place = name_of(file)
        try:
            for place, time, found in read_entries(file, vendor.contract):
                try:
                    if isinstance(found, UsageError):
                        raise found
                    operation = operation_of(vendor.contract, found, among)
                    profile.observe(operation, completed(operation, found), time, place)
                except UsageError as error:
                    skipped += 1
                    if len(left_out) < _MOST_SKIPPED:
                        left_out[place] = str(error)
        except UsageError as error:
            skipped += 1
            left_out[place] = str(error)
    if not profile.seen.count:
        place, reason = next(iter(left_out.items()), (" ".join(sources), "it holds no exchange"))
        others = f" (and so on, {skipped} in all)" if skipped > 1 else ""
        raise UsageError(profile.redact(f"{place!r} cannot be read: {reason}{others}"))
    return profile, left_out, skipped


def patch_of(found: Drift, today: datetime | None = None) -> Patch:
    """The patch to the vendor's schema files for all changes that the format of the contract can express."""
    vendor = found.profile.contract.vendor
    folder = root_of(vendor) / "schemas" / vendor
    texts = {name: (folder / name).read_text("utf-8") for name in found.profile.contract.files}

    def accepts(after: Mapping[str, str]) -> None:
        with TemporaryDirectory() as draft:
            for name, text in after.items():
                (Path(draft) / name).write_text(text, "utf-8")
            lint_schemas(vendor, Path(draft))

    return Patch.of(found, texts, accepts, f"{today or datetime.now(UTC):%Y-%m-%d}")


def folder_to_write(vendor: str) -> Path:
    """The folder of a vendor's schema files, if they are the user's own.

    Raises `UsageError` for those that ship with trunkline.
    """
    root = root_of(vendor)
    if root == roots()[0]:
        raise UsageError(
            f"the contract of {vendor} ships with trunkline, and --write changes only files of your own: save the patch"
            " with --patch FILE; or copy schemas/ and fixtures/ of the vendor, under another name, into the folder"
            " that TRUNKLINE_DATA names"
        )
    folder = root / "schemas" / vendor
    if not os.access(folder, os.W_OK):
        raise UsageError(f"{folder} cannot be written; change its permissions, or save the patch with --patch FILE")
    return folder


def write(patch: Patch, folder: Path) -> None:
    """Write the changed files, each at once."""
    for name, text in patch.after.items():
        draft = folder / f".{name}.new"
        try:
            draft.write_text(text, "utf-8")
            draft.replace(folder / name)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise UsageError(f"{folder / name} cannot be written: {(error.strerror or '').lower()}") from None
