"""A report in JSON, as far as a replay needs it."""

from __future__ import annotations

import base64
from typing import Literal

import msgspec

from trunkline.check.replay.judging import Undecided
from trunkline.errors import UsageError
from trunkline.exchange import SAFE_METHODS, SECOND_VARIABLE, TOKEN_VARIABLE
from trunkline.redaction import REDACTED

_OWN = frozenset({f"Bearer ${TOKEN_VARIABLE}", f"Bearer ${SECOND_VARIABLE}"})
"""How the credentials of a run are printed."""


class SavedRequest(msgspec.Struct, frozen=True):
    """A request of a finding. `body` is null if it was left out, `created` the id of the item that it created."""

    method: str
    path: str
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: str | None = ""
    body_base64: str = ""
    status: int | None = None
    created: str = ""

    @property
    def writes(self) -> bool:
        """Whether it may change something."""
        return self.method not in SAFE_METHODS

    @property
    def is_ours(self) -> bool:
        """Whether it had the whole credential of an account of the run."""
        return any(name.lower() == "authorization" and value in _OWN for name, value in self.headers)

    @property
    def hides_address(self) -> bool:
        """Whether a part of its address was left out."""
        return REDACTED in self.path + self.query

    @property
    def text(self) -> str:
        """The body as text. Raises `Undecided` if it was left out, or a part of it."""
        if self.body is None or REDACTED in self.body:
            raise Undecided("the body of a request was left out, or a part of it")
        return self.body

    @property
    def data(self) -> bytes:
        """The body as bytes. Raises `Undecided` if it was left out."""
        if not self.body_base64:
            return self.text.encode("utf-8", "surrogateescape")
        try:
            return base64.b64decode(self.body_base64, validate=True)
        except ValueError:
            raise Undecided("the body of a request is not base64") from None


class SavedFinding(msgspec.Struct, frozen=True):
    """A finding, with its requests in their order."""

    rule: str
    operation: str
    grade: str
    fails: bool
    message: str
    at: str
    contract: str
    expected: str = ""
    seen: str = ""
    requests: tuple[SavedRequest, ...] = ()

    @property
    def writes(self) -> bool:
        """Whether one of its requests may change something."""
        return any(request.writes for request in self.requests)

    def is_excepted(self, request: SavedRequest, status: int) -> bool:
        """Whether an earlier request, which was refused as the last one, is now a success as it should be."""
        is_alike = request.status == self.requests[-1].status != status
        return is_alike and self.at == "status" and self.expected.startswith("success") and 200 <= status < 300


class SavedReport(msgspec.Struct, frozen=True):
    """A report in JSON, format 1."""

    format: Literal[1]
    vendor: str
    findings: tuple[SavedFinding, ...]
    seed: int | None = None
    base: str = ""


def read_report(data: bytes, name: str) -> SavedReport:
    """Read a report in JSON. Raises `UsageError` with the place for anything else."""
    try:
        return msgspec.json.decode(data, type=SavedReport)
    except msgspec.ValidationError as error:
        raise UsageError(f"{name} is no report of this version: {error}; write one with --report json=FILE") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UsageError(f"{name} is not JSON; write a report to replay with --report json=FILE") from None
