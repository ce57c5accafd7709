"""Permission to write: the options about it, and the ledger that a check which writes needs.

The command line and the pytest suite both call `write_access` with the options that they have read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from trunkline.check.safety.gate import Gate
from trunkline.check.safety.ledger import Ledger, default_path
from trunkline.check.settling import NO_SETTLING, Settling
from trunkline.exchange import Target
from trunkline.findings import Report
from trunkline.mock.loader import Vendor
from trunkline.transport.connect import Connection

_WATCHED = 1.0
"""A lag of at most so many seconds is reported as such."""


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """The options about writing, each named like its option on the command line."""

    allow_writes: bool = False
    leave: int | None = None
    ledger: str | None = None
    settle: float | None = None

    def allowed_leftovers(self, *, built_in: bool) -> int | None:
        """The number of items that may be left and that no operation deletes; None for any, as on the built-in mock."""
        return None if built_in and self.leave is None else self.leave or 0


@dataclass(frozen=True, slots=True, repr=False)
class WriteAccess:
    """Permission for a check to write. Creations are recorded in `ledger`; `cleaner` is the target that cleans up.

    `allowed_leftovers` is how many items may be left that no operation deletes, None for any number. `settling` is how
    long a lag of the implementation is waited for.
    """

    ledger: Ledger
    cleaner: Target
    allowed_leftovers: int | None = 0
    settling: Settling = NO_SETTLING


@contextmanager
def write_access(
    vendor: Vendor,
    connection: Connection,
    options: WriteOptions,
    report: Report,
    say: Callable[[str], None],
) -> Iterator[WriteAccess | None]:
    """Open the ledger, delete the leftovers of earlier runs, and yield the access; None if writing is not allowed.

    The ledger of a live implementation is a file. Items that are created in this process end with it, so their ledger
    is in memory.
    """
    if not options.allow_writes:
        yield None
        return
    cleaner = connection.cleaner or connection.target
    path = None
    if options.ledger is not None or connection.live:
        path = Path(options.ledger) if options.ledger is not None else default_path(vendor.name, connection.base)
    with Ledger.from_file(path, vendor.name, connection.base) if path else Ledger() as ledger:
        if ledger.open_entries(earlier=True):
            say("deleting the leftovers of an earlier run")
        credentials = tuple(credential for credential in (connection.credential, connection.second) if credential)
        gate = Gate(vendor.contract, cleaner, ledger, credentials)
        report.leftovers += [f"of an earlier run: {leftover}" for leftover in gate.clean(cleaner, earlier=True)]
        say(f"everything created is named {ledger.prefix}..." + (f" and recorded in {path}" if path else ""))
        allowed, settle = options.allowed_leftovers(built_in=connection.built_in), options.settle or 0.0
        yield WriteAccess(ledger, cleaner, allowed, Settling(settle, max(settle, _WATCHED)))
    if connection.built_in:
        report.leftovers.clear()  # the mock ends with this process
