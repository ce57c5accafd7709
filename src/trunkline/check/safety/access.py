"""Permission to write: the options about it, the ledger that a check which writes needs, and the second account.

The command line and the pytest suite both call `write_access` with the options that they have read, and
`second_account` when nothing may be written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

from trunkline.check.safety.gate import Gate
from trunkline.check.safety.ledger import Ledger, default_path
from trunkline.check.settling import NO_SETTLING, Settling
from trunkline.errors import UsageError
from trunkline.exchange import Target
from trunkline.findings import Report
from trunkline.mock.loader import Vendor
from trunkline.transport.connect import Connection, second_credential

_WATCHED = 1.0
"""A lag of at most so many seconds is reported as such."""


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """The options about writing, each named like its option on the command line."""

    allow_writes: bool = False
    second_token: str | None = None
    second_token_file: str | None = None
    leave: int | None = None
    ledger: str | None = None
    settle: float | None = None
    dry_run: bool = False

    def allowed_leftovers(self, *, built_in: bool) -> int | None:
        """The number of items that may be left and that no operation deletes; None for any, as on the built-in mock."""
        return None if built_in and self.leave is None else self.leave or 0

    def check(self) -> None:
        """Raise `UsageError` for an option that has no effect without `--allow-writes`."""
        for option in fields(self):
            both = option.name in ("second_token", "second_token_file")
            if not (self.allow_writes or both) and getattr(self, option.name) not in (None, False):
                name = option.name.replace("_", "-")
                raise UsageError(f"--{name} is about writing; add --allow-writes, or leave it out")


@dataclass(frozen=True, slots=True, repr=False)
class WriteAccess:
    """Permission for a check to write. Creations are recorded in `ledger`; `cleaner` is the target that cleans up.

    `second` is the credential of another account. `allowed_leftovers` is how many items may be left that
    no operation deletes, None for any number. `settling` is how long a lag of the implementation is waited for.
    """

    ledger: Ledger
    cleaner: Target
    second: str | None = None
    allowed_leftovers: int | None = 0
    settling: Settling = NO_SETTLING


def second_account(vendor: Vendor, connection: Connection, options: WriteOptions, report: Report) -> str | None:
    """The credential of another account, which the report keeps secret; None if it is not known."""
    second = second_credential(vendor, options.second_token, options.second_token_file, built_in=connection.built_in)
    if second is not None and second == connection.credential:
        raise UsageError("the second token is the first: give the credential of another account")
    report.secrets |= {second} if second else set()
    return second


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
    second = second_account(vendor, connection, options, report)
    cleaner = connection.cleaner or connection.target
    path = None
    if options.ledger is not None or connection.live:
        path = Path(options.ledger) if options.ledger is not None else default_path(vendor.name, connection.base)
    with Ledger.from_file(path, vendor.name, connection.base) if path else Ledger() as ledger:
        if ledger.open_entries(earlier=True):
            say("deleting the leftovers of an earlier run")
        credentials = tuple(credential for credential in (connection.credential, second) if credential)
        gate = Gate(vendor.contract, cleaner, ledger, credentials)
        report.leftovers += [f"of an earlier run: {leftover}" for leftover in gate.clean(cleaner, earlier=True)]
        say(f"everything created is named {ledger.prefix}..." + (f" and recorded in {path}" if path else ""))
        allowed, settle = options.allowed_leftovers(built_in=connection.built_in), options.settle or 0.0
        yield WriteAccess(ledger, cleaner, second, allowed, Settling(settle, max(settle, _WATCHED)))
    if connection.built_in:
        report.leftovers.clear()  # the mock ends with this process
