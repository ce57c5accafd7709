"""The command-line options about writing."""

from __future__ import annotations

import click

from trunkline.cli.options import together

WRITING = together(
    click.option("--allow-writes", is_flag=True,
                 help="Also create, change and delete, but only items that this run created itself."),
    click.option("--second-token", metavar="TOKEN",
                 help="The credential of another account, to check that accounts are isolated."),
    click.option("--second-token-file", metavar="FILE",
                 help="A file with that credential; otherwise $TRUNKLINE_SECOND_TOKEN is used."),
    click.option("--leave", type=click.IntRange(0), metavar="N",
                 help="How many items may be left that no operation can delete. [default: 0]"),
    click.option("--journal", metavar="FILE",
                 help="Where created items are recorded until they are deleted, so that the next run can clean up."),
    click.option("--dry-run", is_flag=True, help="Print the writing requests without sending anything."),
)  # fmt: skip
"""Whether the check may write, and how; each is a field of `WriteOptions`."""
