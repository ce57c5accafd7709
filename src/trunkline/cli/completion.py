"""Completion in the shell: vendors, operationIds, parameters, choices of options, and files.

`eval "$(_TRUNKLINE_COMPLETE=bash_source trunkline)"` switches it on in bash; docs/configuration.md has the others. The
contract of a vendor is loaded only to complete an operationId or a parameter.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from click import Context, Parameter
from click.shell_completion import CompletionItem, shell_complete

from trunkline.contract import folders
from trunkline.errors import TrunklineError
from trunkline.report import FORMATS
from trunkline.settings import FILE, FOLDER, Option

if TYPE_CHECKING:
    from click import Command

    from trunkline.contract.model import Operation

_VARIABLE = "_TRUNKLINE_COMPLETE"
_Complete: TypeAlias = Callable[[Context, Parameter, str], list[CompletionItem]]


def asked() -> bool:
    """Whether a shell runs the command for its script, or for completions."""
    return bool(os.environ.get(_VARIABLE))


def answer(command: Command) -> int:
    """Print what the shell asks for, and return the exit code."""
    return shell_complete(command, {}, "trunkline", _VARIABLE, os.environ[_VARIABLE])


def complete_vendors(_context: Context, _parameter: Parameter, beginning: str) -> list[CompletionItem]:
    """The names of the vendors."""
    return _items(_vendors(), beginning)


def complete_operation_or_file(context: Context, parameter: Parameter, beginning: str) -> list[CompletionItem]:
    """The operationIds for the first word, and files."""
    first = not context.params.get(parameter.name or "")
    found = _items(_operation_ids(context), beginning) if first and not context.params.get("operation") else []
    return found or [CompletionItem(beginning, type="file")]


def complete_scenario(_context: Context, _parameter: Parameter, beginning: str) -> list[CompletionItem]:
    """The names of the scenarios."""
    return _items(_scenarios(), beginning)


def complete_check(_context: Context, _parameter: Parameter, beginning: str) -> list[CompletionItem]:
    """The names of the rules, laws and checks."""
    return _items(_checks(), beginning)


def complete_page(_context: Context, _parameter: Parameter, beginning: str) -> list[CompletionItem]:
    """The pages of the documentation."""
    return _items(folders.pages(), beginning)


def completer(row: Option) -> _Complete:
    """The function that completes the value of an option, as far as anything is known about it."""

    def complete(context: Context, _parameter: Parameter, beginning: str) -> list[CompletionItem]:
        if row.type in (FILE, FOLDER):
            return [CompletionItem(beginning, type="file" if row.type is FILE else "dir")]
        by_name: Mapping[str, Callable[[Context], Iterable[str]]] = {
            "operation": _operation_ids,
            "require": _required,
            "param": _parameter_names,
            "report": lambda _: (f"{name}=" for name in FORMATS),
            "scenario": _scenarios,
        }
        words = by_name.get(row.name)
        return _items(words(context) if words else row.type.choices, beginning)

    return complete


def _vendors() -> Iterable[str]:
    try:
        return folders.names()
    except TrunklineError:
        return ()


def _operations(context: Context) -> Iterable[Operation]:
    from trunkline.mock.loader import load  # noqa: PLC0415 - only where the contract is needed

    vendor = context.params.get("vendor") or next(iter(context.args), "")  # click leaves it there before an option
    try:
        return load(vendor, lint=False).contract.operations
    except TrunklineError:
        return ()


def _operation_ids(context: Context) -> Iterable[str]:
    return (operation.operation_id for operation in _operations(context))


def _required(context: Context) -> Iterable[str]:
    return (*_operation_ids(context), "all")


def _scenarios(_context: Context | None = None) -> Iterable[str]:
    from trunkline.mock.faults import scenarios  # noqa: PLC0415 - only where a scenario is completed

    return scenarios()


def _checks() -> Iterable[str]:
    from trunkline.check.explanations import every  # noqa: PLC0415 - only where a name is completed

    return every()


def _parameter_names(context: Context) -> Iterable[str]:
    parameters = (parameter for operation in _operations(context) for parameter in operation.parameters)
    taken = (one for one in parameters if one.location == "path" or context.info_name == "validate")
    return dict.fromkeys(f"{parameter.name}=" for parameter in taken)


def _items(words: Iterable[str], beginning: str) -> list[CompletionItem]:
    return [CompletionItem(word) for word in words if word.startswith(beginning)]
