"""The exceptions for mistakes of the caller, of the data and of the environment. A wrong API is a `Finding` instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trunkline.exchange import Response


class TrunklineError(Exception):
    """The base class. Its text is one sentence that names the place and the fix; the command line exits with 2."""


class DataError(TrunklineError):
    """A file of the data breaks its format: `schemas/acme/openapi.json#/paths: is not of type object`.

    Without a pointer the file as a whole is wrong: `trunks.json: cannot be read`.
    """

    def __init__(self, file: str, pointer: str, reason: str) -> None:
        super().__init__(f"{file}{pointer and '#'}{pointer}: {reason}")
        self.file = file
        self.pointer = pointer
        self.reason = reason


class UsageError(TrunklineError):
    """An option, an argument or a marker is wrong."""


class Conflict(UsageError):
    """A record that is given has a value that must be unique, and another record has it already."""


class StorageError(TrunklineError):
    """The state file of a mock could not be written, so the write was not applied."""


class TargetError(TrunklineError):
    """The implementation cannot be judged: it is down, does not answer in time, or sends too much."""


class Redirected(TargetError):
    """The response is a redirect. It is not followed, because the credential must not be sent elsewhere."""

    def __init__(self, sentence: str, response: Response) -> None:
        super().__init__(sentence)
        self.response = response


class BudgetExhausted(TargetError):
    """All requests that the caller allowed have been sent."""


class Unimplemented(TargetError):
    """The implementation does not have the operation of a request."""


class NotOurs(TargetError):
    """A request would change an item that the run may not have created, so it was not sent."""


class AvailabilityUnknown(TargetError):
    """A response does not show whether the implementation has the operation, so it cannot be judged."""


def reason_of(error: OSError | ValueError) -> str:
    """Why a file could not be read or written, as a part of a sentence: `permission denied`."""
    if not isinstance(error, OSError):
        return "it is not a file name"
    return (error.strerror or type(error).__name__).lower()
