"""Owns what `trunkline check` may write: its options, its journal, what is left behind, and what would be sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from trunkline.cli.options import together
from trunkline.errors import UsageError

if TYPE_CHECKING:
    from trunkline.check.runner import WriteAccess
    from trunkline.findings import Report
    from trunkline.mock.loader import Vendor
    from trunkline.transport.connect import Connection

WRITING = together(
    click.option("--allow-writes", is_flag=True,
                 help="Create, change and remove too: only what the run made itself, under a name of its own."),
    click.option("--second-token", metavar="TOKEN", help="Another account's credential: the two must be apart."),
    click.option("--second-token-file", metavar="FILE", help="A file with it; else $TRUNKLINE_SECOND_TOKEN is read."),
    click.option("--leave", type=click.IntRange(0), metavar="N",
                 help="How many things may stay of which no page says how they are removed. [default: 0]"),
    click.option("--journal", metavar="FILE",
                 help="Where what was made is noted until it is removed, for the next run to finish."),
    click.option("--dry-run", is_flag=True, help="Print the writing requests that would be sent, and send nothing."),
)  # fmt: skip
"""Whether the check may write, and how."""


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """What the options say about writing."""

    allowed: bool
    second_token: str | None
    second_token_file: str | None
    leave: int | None
    journal: str | None
    dry: bool

    def may_stay(self, *, built_in: bool) -> int | None:
        """How many things may stay that no operation removes; any number on a mock that ends with the run."""
        return None if built_in and self.leave is None else self.leave or 0

    def check(self) -> None:
        """Raises `UsageError` for an option that means nothing without `--allow-writes`."""
        given = {
            "--second-token": self.second_token,
            "--second-token-file": self.second_token_file,
            "--leave": self.leave,
            "--journal": self.journal,
            "--dry-run": self.dry or None,
        }
        if not self.allowed and (useless := [name for name, value in given.items() if value is not None]):
            raise UsageError(f"{useless[0]} is about writing; add --allow-writes, or leave it out")


@contextmanager
def writing(
    vendor: Vendor,
    aim: Connection,
    wish: WriteOptions,
    report: Report,
    say: Callable[[str], None],
    *,
    live: bool,
    built_in: bool,
) -> Iterator[WriteAccess | None]:
    """What a check needs to write, if that is allowed; first what an earlier run left is removed.

    A `live` implementation has a journal in a file; what is made in process is gone with the process, or is the
    caller's own.
    """
    if not wish.allowed:
        yield None
        return
    from trunkline.check.runner import WriteAccess  # noqa: PLC0415
    from trunkline.check.safety import Gate  # noqa: PLC0415
    from trunkline.check.safety.ledger import Ledger, place  # noqa: PLC0415
    from trunkline.transport.connect import second_credential  # noqa: PLC0415

    second = second_credential(vendor, wish.second_token, wish.second_token_file, built_in=built_in)
    if second is not None and second == aim.credential:
        raise UsageError("the second token is the first: give the credential of another account")
    report.secrets |= {second} if second else set()
    cleaner = aim.cleaner or aim.target
    path = Path(wish.journal) if wish.journal is not None else place(vendor.name, aim.base) if live else None
    journal = Ledger.from_file(path, vendor.name, aim.base) if path else Ledger()
    with journal:
        credentials = tuple(known for known in (aim.credential, second) if known)
        if journal.unfinished():
            say("removing what an earlier run left")
        gate = Gate(vendor.contract, cleaner, journal, credentials)
        report.left += [f"of an earlier run: {each}" for each in gate.finish(cleaner)]
        say(f"what is made is called {journal.prefix}..." + (f", and noted in {path}" if path else ""))
        yield WriteAccess(journal, cleaner, second, wish.may_stay(built_in=built_in))
    if built_in:
        report.left.clear()  # it was a mock of this process


def rehearse(
    vendor: Vendor,
    operations: list[str],
    seed: int,
    examples: int,
    *,
    wish: WriteOptions,
    built_in: bool,
    most: int | None,
) -> None:
    """Prints each request that would change something, as a mock in the implementation's stead provokes them."""
    from trunkline import mock  # noqa: PLC0415
    from trunkline.check.dry_run import preview  # noqa: PLC0415
    from trunkline.check.runner import WriteAccess  # noqa: PLC0415
    from trunkline.check.runner import check as examine  # noqa: PLC0415
    from trunkline.check.safety.ledger import Ledger  # noqa: PLC0415
    from trunkline.exchange import Exchange  # noqa: PLC0415
    from trunkline.redaction import redactor  # noqa: PLC0415
    from trunkline.transport import targets  # noqa: PLC0415
    from trunkline.transport.connect import known_parameters, second_credential  # noqa: PLC0415

    log: list[Exchange] = []
    cleaner = targets.recorded(mock.from_vendor(vendor), log)
    second = second_credential(vendor, wish.second_token, wish.second_token_file, built_in=built_in)
    others = second_credential(vendor, None, None, built_in=True) if second else None
    examine(
        vendor,
        cleaner if most is None else targets.budgeted(cleaner, most),
        credential=vendor.world.token,
        parameters=known_parameters(vendor),
        operations=operations,
        seed=seed,
        examples=examples,
        writing=WriteAccess(Ledger(), cleaner, others, wish.may_stay(built_in=built_in)),
    )
    for line in preview((said.request for said in log), vendor.contract, redactor(vendor.secrets)):
        click.echo(line)
