"""Observe an API in recorded traffic, and write what differs from its contract to the files of the contract."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from trunkline.check.drift import Drift, Patch, Profile, drift
from trunkline.contract.folders import roots
from trunkline.contract.model import Operation
from trunkline.contract.requests import operations_named
from trunkline.errors import UsageError, reason_of
from trunkline.findings import Reading
from trunkline.mock.loader import Vendor, lint_schemas, root_of
from trunkline.traffic.addresses import Addresses, OtherHost
from trunkline.traffic.pieces import name_of
from trunkline.traffic.recorded import Entry
from trunkline.traffic.sources import files_of, read_entries
from trunkline.traffic.validation import OtherOperation, completed, nothing_judged, recorded_operation
from trunkline.transport.files import replace_file


def drift_files(
    vendor: Vendor,
    sources: Sequence[str],
    against: Sequence[str] = (),
    operations: Sequence[str] = (),
    *,
    bases: Sequence[str] = (),
    since: float | None = None,
) -> Drift:
    """How the API in a recording differs from the contract, or from the API in an older recording, `against`.

    Sources are files, folders, and `-` for standard input. With `operations`, only exchanges with these count, with
    `bases` only those below one of these addresses, and with `since`, a Unix time, none of the sources that is older.
    The memory that it takes does not grow with the recordings. Raises `UsageError` when nothing in one can be read.
    """
    read = partial(_observed, vendor, among=operations_named(operations, vendor.contract.operations), bases=bases)
    older, _, older_stopped = read(against, since=None) if against else (None, None, "")
    profile, reading, stopped = read(sources, since=since)
    return replace(drift(profile, older), reading=reading, stopped=stopped or older_stopped)


def _observed(
    vendor: Vendor, sources: Sequence[str], *, among: Sequence[Operation], bases: Sequence[str], since: float | None
) -> tuple[Profile, Reading, str]:
    """The profile of a recording, what in it was left out, and why a file was not read to its end, or empty."""
    profile, reading, stopped = Profile(vendor), Reading(since=since), ""
    Addresses(vendor.contract, (*bases,))  # raises for a wrong base, which is no mistake of a source
    for file in [file for source in sources for file in files_of(source)]:
        name, compared, skipped = name_of(file), profile.exchanges.count, reading.skipped
        try:
            for entry in read_entries(file, vendor.contract, bases):
                _observe(profile, reading, entry, tuple(among))
        except UsageError as error:
            reading.skip(name, str(error))
            stopped = f"{name!r} was not read to its end"
        if profile.exchanges.count == compared and reading.skipped > skipped:
            stopped = f"nothing in {name!r} could be compared"
    if not profile.exchanges.count:
        if not (reading.skipped or reading.left_out):
            reading.skip(" ".join(sources), "it holds no exchange")
        raise UsageError(profile.redact(nothing_judged(reading, vendor.name)))
    return profile, reading, stopped


def _observe(profile: Profile, reading: Reading, entry: Entry, among: tuple[Operation, ...]) -> None:
    """Add an entry to the profile, or note why it is left out."""
    place, time, found = entry
    if isinstance(found, OtherHost):
        reading.count_other_host(found.host)
        return
    if reading.since is not None and time is not None and time < reading.since:
        reading.older += 1
        return
    try:
        if isinstance(found, UsageError):
            raise found
        profile.learn(found.request)  # also one that is not known: it may have a secret that the answer repeats
        operation = recorded_operation(profile.contract, found, among)
        profile.observe(operation, completed(operation, found), time, place)
    except OtherOperation as error:
        reading.other_operations[error.operation_id] += 1
        return
    except UsageError as error:
        reading.skip(place, str(error))
        return
    reading.undated += reading.since is not None and time is None


def patch_of(found: Drift) -> Patch:
    """The patch to the vendor's schema files for all changes that the format of the contract can express."""
    vendor = found.profile.contract.vendor
    folder = root_of(vendor) / "schemas" / vendor
    texts = {name: (folder / name).read_text("utf-8") for name in found.profile.contract.files}

    def accepts(after: Mapping[str, str]) -> None:
        with TemporaryDirectory() as draft:
            for name, text in after.items():
                (Path(draft) / name).write_text(text, "utf-8")
            lint_schemas(vendor, Path(draft))

    return Patch.of(found, texts, accepts, f"{datetime.now(UTC):%Y-%m-%d}")


def folder_to_write(vendor: str) -> Path:
    """The folder of a vendor's schema files, if they are the user's own.

    Raises `UsageError` for those that ship with trunkline.
    """
    root = root_of(vendor)
    if root == roots()[0]:
        raise UsageError(
            f"the contract of {vendor} ships with trunkline, and --write changes only files of your own: save the patch"
            f" with --patch FILE; or copy schemas/{vendor} and fixtures/{vendor} of {root}, under another name,"
            " into the folder that TRUNKLINE_DATA names"
        )
    folder = root / "schemas" / vendor
    if not os.access(folder, os.W_OK):
        raise UsageError(f"{folder} cannot be written; change its permissions, or save the patch with --patch FILE")
    return folder


def write_patch(patch: Patch, folder: Path) -> None:
    """Write the changed files, each at once."""
    for name, text in patch.after.items():
        try:
            replace_file(folder / name, text.encode())
        except OSError as error:
            raise UsageError(f"{folder / name} cannot be written: {reason_of(error)}") from None
