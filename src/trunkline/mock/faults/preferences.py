"""Faults that a request asks for in its own header fields, in the answer to this request alone.

`Prefer: code=503, delay=0.5` (RFC 7240) is answered with `Preference-Applied`, or not honored, as that RFC wants it.
`x-trunkline-fault: lose-answer` takes every effect, and a mistake in it is refused.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress

from trunkline.contract.http import TOKEN
from trunkline.errors import TrunklineError, UsageError
from trunkline.exchange import Headers, Request
from trunkline.mock.faults.document import ANY, LONGEST_LINE, Fault, parse_fault
from trunkline.mock.faults.line import parse_line

FAULT_HEADER = "x-trunkline-fault"
"""The request header that asks for a fault in the answer, and the response header that names the fault."""

_ASKING = frozenset((FAULT_HEADER, "prefer"))
_PREFERENCE = re.compile(
    r"""[ \t]*+(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]++)[ \t]*+
    (?:=[ \t]*+(?:"(?P<quoted>(?:[^"\\]|\\.)*+)"|(?P<token>[!#$%&'*+.^_`|~0-9A-Za-z-]*+))[ \t]*+)?+
    (?:;(?:"(?:[^"\\]|\\.)*+"|[^",])*+)?+(?:,|$)""",
    re.VERBOSE,
)
_STATUS = re.compile("[2-5][0-9][0-9]")
_MOST = 2000


def asks_for_fault(request: Request) -> bool:
    """Whether a request asks for a fault in its own header fields, or may do so."""
    return any(name in _ASKING for name, _ in request.headers)


def faults_of(request: Request) -> list[Fault]:
    """The faults of the fields `x-trunkline-fault`. Raises `UsageError` with the mistake."""
    faults = []
    values = [value for name, value in request.headers if name == FAULT_HEADER]
    if sum(map(len, values)) > LONGEST_LINE:
        raise UsageError(f"{FAULT_HEADER} is longer than {LONGEST_LINE} characters")
    for value in values:
        fault = parse_line(value.strip(), FAULT_HEADER, names_operation=False)
        if fault.then or fault.operation != ANY or fault.where or fault.vendor or fault.account:
            raise UsageError(f"{FAULT_HEADER} is about this request alone; give one step, and no operation before it")
        faults.append(fault)
    return faults


def preferred(request: Request) -> list[tuple[Fault, str]]:
    """The faults of the fields `Prefer`, each with its preference. One that cannot be honored is left out."""
    faults = []
    for name, value in preferences(request.headers).items():
        with suppress(TrunklineError):
            if name == "delay":
                faults.append((parse_fault({"delay": value}, strict=False), _written(name, value)))
            elif name == "code" and value:
                key = "status" if _STATUS.fullmatch(value) else "code"
                faults.append((parse_fault({key: value}, strict=False), _written(name, value)))
    return faults


def _written(name: str, value: str) -> str:
    """A preference as a header field has it: a value that is no token is quoted."""
    return f"{name}={value if TOKEN.fullmatch(value) else json.dumps(value)}"


def preferences(headers: Headers) -> dict[str, str]:
    """The preferences by their names, without parameters; of equal names the first counts (RFC 7240, section 2)."""
    found: dict[str, str] = {}
    text = ", ".join(value for name, value in headers if name == "prefer")[:_MOST]
    at = 0
    while match := _PREFERENCE.match(text, at):
        value = match["token"] or re.sub(r"\\(.)", r"\1", match["quoted"] or "")
        found.setdefault(match["name"].lower(), value)
        if match.end() == at or match.end() >= len(text):
            break
        at = match.end()
    return found
