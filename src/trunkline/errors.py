"""What trunkline raises when *you* or *the data* are wrong. A wrong API is never an exception: it is a `Finding`.

TrunklineError            anything below; the command line prints it as one sentence and ends with code 2
    ├── DataError             a contract, world, fixture or case file breaks its format
    ├── UsageError            an option, argument or marker that cannot be meant
    ├── NotKept               a mock's state file does not take a write, so nothing was changed
    └── TargetError           the implementation could not be asked: down, hanging, redirecting, endless
        ├── Redirected        it answered with a redirect, which is not followed; the answer is `response`
        └── BudgetSpent       the run's own bound on requests was reached; what is left is not exercised
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trunkline.exchange import Response


class TrunklineError(Exception):
    """One clear sentence that names the place and the way out."""


class DataError(TrunklineError):
    """A file of the contract or the world breaks its format: `schemas/x/openapi.json#/paths: ... `."""

    def __init__(self, file: str, pointer: str, reason: str) -> None:
        super().__init__(f"{file}#{pointer}: {reason}")
        self.file = file
        self.pointer = pointer
        self.reason = reason


class UsageError(TrunklineError):
    """An option, an argument or a marker that cannot be meant."""


class StorageError(TrunklineError):
    """A write that could not be made to last, so that it was not made at all."""


class TargetError(TrunklineError):
    """The implementation could not be asked, so nothing can be said of its answers."""


class Redirected(TargetError):
    """An answer leads elsewhere, where the credential must not go. `response` is that answer."""

    def __init__(self, sentence: str, response: Response) -> None:
        super().__init__(sentence)
        self.response = response


class BudgetExhausted(TargetError):
    """As many requests as the caller allowed were sent."""


class NotOurs(TargetError):
    """An answer led to a thing that the run may not have made; nothing was sent to it."""
