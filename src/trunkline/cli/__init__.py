"""The command line: each command parses its options, calls one function of the library, and shows the result.

Exit codes: 0 when all is well, 1 for findings, 2 when something could not be done or too little was judged (one
sentence on standard error), 130 after Ctrl-C. A command's module is imported when the command is used, so that
`trunkline --help` is fast.
"""

from __future__ import annotations

import sys

try:
    from trunkline.cli.starting import ending_at_once
except KeyboardInterrupt:
    sys.exit(130)

with ending_at_once():
    import errno
    import io
    import os
    import re
    import signal
    import traceback
    from collections.abc import Sequence
    from contextlib import suppress
    from pathlib import Path
    from threading import current_thread, main_thread
    from typing import NoReturn, TextIO

    import click

    import trunkline
    from trunkline.cli import completion
    from trunkline.cli.commands import COMMANDS
    from trunkline.cli.output import BROKEN_PIPE, ERROR, INTERRUPTED, SUCCESS
    from trunkline.errors import TrunklineError, reason_of
    from trunkline.redaction import printable, redact_credentials, redact_shapes
    from trunkline.settings import DEBUG, describe_bug

_OUTPUT_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})
"""The errors of a write. If the exception names no file, it was standard output that could not be written."""

_LONG_WORD = re.compile(r"(\S{60})\S{60,}(\S\S)")
_LONG_QUOTE = re.compile(r"""(?<!\w)((['"])[^'"]{60})[^'"]{60,}(\2)(?!\w)""")
_MOST_CHARACTERS = 1000
"""A longer sentence quotes something long: its middle is left out, its end says what to do."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command, and end the process with its exit code."""
    if isinstance(getattr(sys.stdout, "buffer", None), io.RawIOBase):  # PYTHONUNBUFFERED: a write may lose its end
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(sys.stdout.buffer), sys.stdout.encoding, line_buffering=True)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # never fail because a terminal lacks a character
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 - until the process ends
    if sys.stdout is None:
        _print_error("standard output is closed; open it, or send it to a file")
        sys.exit(ERROR)
    try:
        code = completion.answer(cli) if completion.asked() else run(sys.argv[1:] if arguments is None else arguments)
    except KeyboardInterrupt:  # a second Ctrl-C, before the first was reported
        code = INTERRUPTED
    if current_thread() is main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the work is done, so a second Ctrl-C must not change the code
    if error := _flush(sys.stdout):
        code = BROKEN_PIPE if isinstance(error, BrokenPipeError) else ERROR
        if code == ERROR:
            _print_error(_output_error(error))
    _flush(sys.stderr)
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code. Every error is printed as one sentence on standard error."""
    code, sentence = ERROR, ""
    try:
        with cli.make_context("trunkline", list(arguments)) as context:
            code = cli.invoke(context) or SUCCESS
    except click.exceptions.Exit as end:
        code = end.exit_code
    except click.ClickException as error:
        sentence = _usage_error(error)
    except TrunklineError as error:
        sentence = " ".join(str(error).split())
    except (KeyboardInterrupt, click.Abort):
        code, sentence = INTERRUPTED, "interrupted"
    except BrokenPipeError:
        code = BROKEN_PIPE
    except Exception as error:  # noqa: BLE001 - anything else is a bug, and is reported as one
        sentence = _unexpected(error)
    if sentence:
        _print_error(sentence)
    return code


def _unexpected(error: Exception) -> str:
    """The sentence for an error that no command expects: of the output, of a file name, or of trunkline."""
    if isinstance(error, OSError) and error.errno in _OUTPUT_ERRORS and error.filename is None:
        _flush(sys.stdout)
        return _output_error(error)
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return f"{os.fsdecode(error.filename)!r} cannot be used: {reason_of(error)}"
    if os.environ.get(DEBUG):
        traceback.print_exc()
    return describe_bug(error)


def _print_error(sentence: str) -> None:
    """Print one line on standard error, without credentials; long words, quotations, and a long middle are cut."""
    text = _LONG_WORD.sub(r"\1…\2", printable(redact_shapes(redact_credentials(sentence))))
    text = _LONG_QUOTE.sub(r"\1…\3", text)
    if len(text) > _MOST_CHARACTERS:
        text = f"{text[: _MOST_CHARACTERS // 2]} … {text[-_MOST_CHARACTERS // 2 :]}"
    with suppress(OSError):
        click.echo(f"trunkline: {text}", err=True)


def _flush(stream: TextIO) -> OSError | None:
    """Flush the stream. If that fails, return the error, and discard the rest so that Python's exit cannot fail."""
    try:
        stream.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return error
    return None


def _output_error(error: OSError) -> str:
    return f"standard output cannot be written: {reason_of(error)}; send it to where it can"


def _usage_error(error: click.ClickException) -> str:
    """Click's sentence with a pointer to the help, and without arguments that may be parts of a secret."""
    message = error.format_message()
    if isinstance(error, click.NoSuchOption) and error.possibilities:
        message = f"{error.message.rstrip('.')}; did you mean {' or '.join(error.possibilities)}?"
    if message.startswith("Got unexpected extra argument"):
        message = "there are more arguments than this command takes"
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "trunkline"
    sentence = " ".join(message.split()).rstrip(".")
    see = " See" if sentence.endswith("?") else "; see"
    return f"{sentence[:1].lower()}{sentence[1:]}{see} {path} --help"


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's
        return [*self.commands]


@click.group(
    cls=_Commands,
    commands=COMMANDS,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(trunkline.__version__, prog_name="trunkline", message="%(prog)s %(version)s")
@click.pass_context
def cli(context: click.Context) -> int | None:
    """Mock server and contract tests for the REST APIs with which voice platforms manage SIP trunks.

    A contract describes the requests and responses of a vendor's API. It is made from the vendor's documentation, and
    each statement has its source and its grade of evidence. Serve a contract as a mock, or check an implementation
    against it.

    Example: trunkline serve

    Options can also be set in the environment, in trunkline.toml or in pyproject.toml: `trunkline docs configuration`.

    Exit codes: 0 when all is well, 1 for findings, 2 when something could not be done or too little was judged, 130
    when interrupted.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
        return ERROR
    return None
