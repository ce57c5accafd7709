"""Owns the command line: parses, calls one function of the library, shows what it gave.

Ends with 0 when all is well, 1 when there are findings, 2 when something could not be done (one sentence on standard
error), 130 after Ctrl-C. What a command needs is imported when it runs, so that `--help` is quick.
"""

from __future__ import annotations

import errno
import os
import re
import signal
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import current_thread, main_thread
from typing import NoReturn, TextIO

import click

import trunkline
from trunkline.cli.checking import check, validate
from trunkline.cli.listing import export, rules
from trunkline.cli.output import BROKEN_PIPE, FINDINGS, INTERRUPTED, TROUBLE, WELL
from trunkline.cli.resetting import reset
from trunkline.cli.serving import serve
from trunkline.errors import TrunklineError

__all__ = [  # noqa: RUF022 - the codes, the doors, the commands
    "WELL",
    "FINDINGS",
    "TROUBLE",
    "INTERRUPTED",
    "BROKEN_PIPE",
    "DEBUG",
    "main",
    "run",
    "cli",
    "serve",
    "reset",
    "check",
    "validate",
    "export",
    "rules",
]

DEBUG = "TRUNKLINE_DEBUG"
"""The environment variable that has an unexpected error shown in full."""

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})
"""What writing fails with, when no file is named: then it was standard output."""

_LONG_WORD = re.compile(r"(\S{60})\S{60,}(\S\S)")
_LONGEST = 1000
"""What is longer is nothing that we say ourselves: its middle is left out, the way out at its end is not."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The entry point: runs one command and ends the process with its code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a terminal that cannot show a letter ends no run
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 - until the process ends
    if sys.stdout is None:
        _say("standard output is closed; open it, or send it to a file")
        sys.exit(TROUBLE)
    code = run(sys.argv[1:] if arguments is None else arguments)
    if current_thread() is main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is done and told: a second Ctrl-C changes nothing any more
    if error := _stuck(sys.stdout):
        code = BROKEN_PIPE if isinstance(error, BrokenPipeError) else TROUBLE
        if code == TROUBLE:
            _say(_unwritten(error))
    _stuck(sys.stderr)
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Runs one command and gives the code to end with; every trouble is one sentence on standard error."""
    code, sentence = TROUBLE, ""
    try:
        with cli.make_context("trunkline", list(arguments)) as context:
            code = cli.invoke(context) or WELL
    except click.exceptions.Exit as end:
        code = end.exit_code
    except click.ClickException as error:
        sentence = _usage(error)
    except TrunklineError as error:
        sentence = " ".join(str(error).split())
    except (KeyboardInterrupt, click.Abort):
        code, sentence = INTERRUPTED, "interrupted"
    except BrokenPipeError:
        code = BROKEN_PIPE
    except Exception as error:  # noqa: BLE001 - the last door: whatever comes here is ours to explain
        if isinstance(error, OSError) and error.errno in _FULL and error.filename is None:
            sentence = _unwritten(error)
            _stuck(sys.stdout)
        else:
            sentence = f"{type(error).__name__} was not expected; this is a bug in trunkline. {DEBUG}=1 shows where"
            if os.environ.get(DEBUG):
                traceback.print_exc()
    if sentence:
        _say(sentence)
    return code


def _say(sentence: str) -> None:
    """One line on standard error; what is too long to be read is cut, and what cannot be written is lost."""
    from trunkline.redaction import printable  # noqa: PLC0415

    text = _LONG_WORD.sub(r"\1…\2", printable(sentence))
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST // 2]} … {text[-_LONGEST // 2 :]}"
    with suppress(OSError):
        click.echo(f"trunkline: {text}", err=True)


def _stuck(stream: TextIO) -> OSError | None:
    """Why what was written cannot leave, or None; nothing is then left to be flushed at the end."""
    try:
        stream.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return error
    return None


def _unwritten(error: OSError) -> str:
    reason = (error.strerror or type(error).__name__).lower()
    return f"standard output cannot be written: {reason}; send it to where it can"


def _usage(error: click.ClickException) -> str:
    """Click's sentence, without values that may be pieces of a secret, and with the way to help."""
    said = error.format_message()
    if said.startswith("Got unexpected extra argument"):
        said = "there are more arguments than this command takes"
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "trunkline"
    sentence = " ".join(said.split()).rstrip(".")
    rest = " See" if sentence.endswith("?") else "; see"
    return f"{sentence[:1].lower()}{sentence[1:]}{rest} {path} --help"


@click.group(
    commands=(serve, reset, check, validate, export, rules),
    no_args_is_help=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(trunkline.__version__, prog_name="trunkline", message="%(prog)s %(version)s")
def cli() -> None:
    """Mock server and contract tests for the REST APIs with which voice platforms manage SIP trunks.

    What can be sent and what comes back stands in a contract, made from the vendor's public pages; each sentence
    of it knows its page and how strong it is. Serve the contract as a mock, or hold an implementation against it.

    Example: trunkline serve

    Ends with 0 when all is well, 1 when there are findings, 2 when something could not be done, 130 when interrupted.
    """
