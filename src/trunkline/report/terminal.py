"""Lines on a terminal, with colors and one moving line of progress; plain lines in a pipe or a file."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, TextIO

from trunkline.redaction import printable
from trunkline.report.text import COMMAND, Line, plain

if TYPE_CHECKING:
    from rich.console import Console

_NARROWEST = 20
"""The least width to which a text is wrapped."""


@dataclass(frozen=True, slots=True)
class Screen:
    """`show` prints lines on standard output, `progress` a sentence on standard error; neither overwrites the other.

    `panel` shows lines on standard error until the next ones, and only on a terminal, where the screen is `live`.
    """

    show: Callable[[Iterable[Line]], None]
    progress: Callable[[str], None]
    panel: Callable[[Iterable[Line]], None]
    is_live: bool


@contextmanager
def screen(out: TextIO | None = None, err: TextIO | None = None, *, quiet: bool = False) -> Iterator[Screen]:
    """A screen on standard output and standard error, or on two other streams; a quiet one shows no progress.

    On a terminal there are colors, unless NO_COLOR is set or TERM is `dumb`.
    """
    from rich.text import Text  # noqa: PLC0415 - only when something is shown

    output, errors = _console(out or sys.stdout), _console(err or sys.stderr)
    status = errors.status("") if errors.is_terminal and not quiet else None

    def show(lines: Iterable[Line]) -> None:
        if status and output.is_terminal:
            status.stop()
        for line in lines:
            _print(output, line)
        output.file.flush()
        if status and output.is_terminal:
            status.start()

    def progress(sentence: str) -> None:
        if status:
            status.update(Text(printable(sentence)))
        elif not quiet:
            _print(errors, ((printable(sentence), ""),))

    def panel(lines: Iterable[Line]) -> None:
        if status:
            pieces = [[("\n", "")] * (number > 0) + [*line] for number, line in enumerate(lines)]
            status.update(Text.assemble(*(piece for line in pieces for piece in line)))

    with status or nullcontext():
        yield Screen(show, progress, panel, is_live=status is not None)


def show_markdown(text: str) -> None:
    """Print Markdown on standard output: as it is in a pipe or a file, with styles on a terminal."""
    output = _console(sys.stdout)
    if not output.is_terminal:
        output.file.write(text)
        return
    from rich.markdown import Markdown  # noqa: PLC0415 - only for a terminal

    output.print(Markdown(text, hyperlinks=False), soft_wrap=False)


def _console(file: TextIO) -> Console:
    from rich.console import Console  # noqa: PLC0415 - only when something is shown

    is_terminal = file.isatty() and os.environ.get("TERM") != "dumb"
    has_color = is_terminal and not os.environ.get("NO_COLOR")
    return Console(
        file=file,
        force_terminal=is_terminal,
        force_jupyter=False,
        color_system="auto" if has_color else None,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=True,
    )


def _print(console: Console, line: Line) -> None:
    if not console.is_terminal:
        console.file.write(plain(line) + "\n")  # unchanged: rich would expand tabs and measure each character
        return
    from rich.text import Text  # noqa: PLC0415 - only when something is shown

    for wrapped in _wrapped(line, console.width):
        console.print(Text.assemble(*wrapped), soft_wrap=True, crop=False)


def _wrapped(line: Line, width: int) -> Iterator[Line]:
    """The line in lines of this width, broken between words; the later ones are indented to where its text begins.

    Commands, and words that are longer than a line, are left whole, so that they can be copied.
    """
    if not line or line[-1][1] == COMMAND:
        yield line
        return
    *title, (text, style) = line
    indent = sum(len(part) for part, _ in title) or len(text) - len(text.lstrip()) + 2
    first, *others = wrap(text, max(width - indent, _NARROWEST), break_long_words=False, break_on_hyphens=False) or [
        text
    ]
    yield *title, (first, style)
    for other in others:
        yield (" " * indent, ""), (other, style)
