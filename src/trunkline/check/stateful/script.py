"""Owns the print of a sequence of requests: a shell script of curl lines that sends them again.

What was created then has other ids, so later lines take them from the answers; and no secret is printed.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping

from trunkline.check.rules import operation_of
from trunkline.check.stateful.creations import made
from trunkline.check.stateful.fields import Input, inputs
from trunkline.check.stateful.inputs import allowed
from trunkline.check.stateful.model import in_path
from trunkline.contract.model import Contract, Operation
from trunkline.exchange import TOKEN_VARIABLE, Exchange, Json, NotJSON, Request, parse_json
from trunkline.findings import Finding

_NOW = "1763700000"
"""What `date +%s` prints looks like this."""
_BEGIN = r"""set -eu
answers=$(mktemp -d)
at() { # the value at a place of an answer, as it goes into a path: at 1 /data/id
    python3 -c 'import json, sys, urllib.parse
try:
    value = json.loads(open(sys.argv[1], "rb").read().rpartition(b"\r\n\r\n")[2])
    for part in sys.argv[2].split("/")[1:]:
        value = value[part]
except (LookupError, TypeError, ValueError):
    sys.exit("there is no " + sys.argv[2] + " in the answer: what follows cannot be shown here")
print(urllib.parse.quote(str(value), safe=""))' "$answers/$1" "$2"
}"""


def script(contract: Contract, finding: Finding, base: str = "") -> str:
    """The requests of a finding as a script for `sh`, with curl and python3.

    The address is `$BASE`, by default the given one; the credentials are `$TRUNKLINE_TOKEN` and, for another account,
    `$TRUNKLINE_SECOND_TOKEN`.
    """
    secrets = _secrets(contract, finding.exchanges) | _unique(contract, finding.exchanges)
    told = f"{finding.rule} {finding.operation}: {finding.message}"
    head = ["#!/bin/sh", f"# {_line(told)}"]
    if finding.expected or finding.seen:
        head.append(f"# expected {_line(finding.expected)}, seen {_line(finding.seen)} at {_line(finding.at)}")
    head += [_BEGIN, f"BASE=${{BASE:-{shlex.quote(base)}}}" if base else _asked_for("BASE", "the address of the API")]
    head += [_asked_for(name, "a credential") for name in _credentials(finding.exchanges)]
    head += [line for _, line in sorted(secrets.values())]
    variables: dict[str, str] = {}
    lines: list[str] = []
    for number, exchange in enumerate(finding.exchanges, start=1):
        operation = operation_of(contract, exchange)
        name = operation.operation_id if operation else exchange.request.method
        lines += ["", f"# {number}. {name}, answered {exchange.response.status}"]
        lines += [
            f'{_curl(exchange.request, variables, secrets)} >"$answers/{number}"',
            f'cat "$answers/{number}"; echo',
        ]
        if found := made(operation, exchange):
            variables[found[1]] = f"ID_{number}"
            lines.append(f"ID_{number}=$(at {number} {shlex.quote(found[0])})")
        gone = variables.get(exchange.request.path.rpartition("/")[2])
        if gone and operation and operation.deleting:
            lines.append(f'case $(head -n 1 "$answers/{number}") in *" 2"??*) {gone}_GONE=1 ;; esac')
    tidied = list(_tidied(contract, finding, variables))
    return "\n".join([*head, *_stays(contract, finding), *_tidy(tidied), *lines]) + "\n"


def _tidy(removals: list[str]) -> list[str]:
    """The end of the script, which comes however it ends."""
    said = " and removes what was made" if removals else ""
    return [
        f"tidy() {{ # is called however this ends{said}",
        "    set +e",
        *(f"    {line}" for line in removals),
        '    rm -r "$answers"',
        "}",
        "trap tidy EXIT",
        "trap 'exit 130' INT TERM",
    ]


def _stays(contract: Contract, finding: Finding) -> list[str]:
    """A warning of what the script makes and nothing removes."""
    pairs = ((operation_of(contract, exchange), exchange) for exchange in finding.exchanges)
    kinds = [said.resource for said, exchange in pairs if said and made(said, exchange)]
    known = {operation.resource for operation in contract.operations if operation.deleting}
    staying = sorted({kind for kind in kinds if kind not in known})
    return [f"# this leaves {kinds.count(kind)} {kind} behind: no page documents their removal" for kind in staying]


def _line(text: str) -> str:
    return " ".join(text.split())


def _asked_for(name: str, what: str) -> str:
    return f': "${{{name}:?set it to {what}}}"'


def _credentials(exchanges: tuple[Exchange, ...]) -> list[str]:
    """The variables that stand for the credentials of the requests."""
    words = (word for exchange in exchanges for _, word in _headers(exchange.request))
    return sorted({name for word in words for name in re.findall(r"\$\{?([A-Z_]+)", word)})


def _headers(request: Request) -> Iterator[tuple[str, str]]:
    """The headers as they are printed: a credential as its variable."""
    shown = dict(request.shown)
    for name, value in request.headers:
        yield name, shown.get(name, f"Bearer ${TOKEN_VARIABLE}" if name == "authorization" else value)


def _curl(request: Request, variables: Mapping[str, str], secrets: Mapping[str, tuple[str, str]]) -> str:
    words = ["curl -sSig --path-as-is"]
    if request.method != "GET":
        words.append(f"-X {request.method}")
    shown = dict(request.shown)
    for name, value in _headers(request):
        secret = name in shown or name == "authorization"
        words.append(f'-H "{name}: {value}"' if secret else f"-H {shlex.quote(f'{name}: {value}')}")
    if request.body:
        words.append(f"--data-binary {_quoted(request.body.decode('utf-8', 'backslashreplace'), secrets)}")
    parts = (f"${variables[part]}" if part in variables else _escaped(part) for part in request.path.split("/"))
    query = f"?{_escaped(request.query)}" if request.query else ""
    words.append(f'"$BASE{"/".join(parts)}{query}"')
    return " ".join(words)


def _escaped(text: str) -> str:
    """The text as it stands in double quotes."""
    return re.sub(r'(["$`\\])', r"\\\1", text)


def _quoted(text: str, secrets: Mapping[str, tuple[str, str]]) -> str:
    """The text in single quotes, with the variables of the secrets in between."""
    quoted = "'" + text.replace("'", "'\"'\"'") + "'"
    for value, (name, _) in secrets.items():
        quoted = quoted.replace(value, f"'\"${name}\"'")
    return quoted


def _secrets(contract: Contract, exchanges: tuple[Exchange, ...]) -> dict[str, tuple[str, str]]:
    """Each secret that was sent, with its variable and the line that sets it to something of the same length."""
    found: dict[str, tuple[str, str]] = {}
    for exchange in exchanges:
        text = exchange.request.body.decode("utf-8", "replace")
        for operation, said in _inputs(contract, exchange):
            for value in re.findall(rf'"{re.escape(said.name)}"\s*:\s*"([^"\\]+)"', text):
                if value in found or not allowed(operation, said, value):  # what is not allowed tells its flaw
                    continue
                name = f"SECRET_{len(found) + 1}"
                plain = f"{len(found) + 1:0{len(value)}d}"
                line = f"{name}=$(printf '%0{len(value)}d' {len(found) + 1}) # {said.name}"
                if len(plain) != len(value) or not allowed(operation, said, plain):
                    line = _asked_for(name, f"a {said.name} of {len(value)} characters")
                found[value] = (name, line)
    return dict(sorted(found.items(), key=lambda each: len(each[0]), reverse=True))


def _unique(contract: Contract, exchanges: tuple[Exchange, ...]) -> dict[str, tuple[str, str]]:
    """Each value that no two things can have, with its variable and the line that makes it another at each run."""
    found: dict[str, tuple[str, str]] = {}
    for exchange in exchanges:
        operation = operation_of(contract, exchange)
        names = operation.creating.unique if operation and operation.creating else ()
        sent = _sent(exchange.request)
        for said in inputs(operation) if operation and isinstance(sent, dict) else ():
            value = sent.get(said.name)
            if said.name not in names or not isinstance(value, str) or value in found or operation is None:
                continue
            name = f"UNIQUE_{len(found) + 1}"
            if allowed(operation, said, value) and allowed(operation, said, f"{value}{_NOW}"):
                found[value] = (name, f"{name}={shlex.quote(value)}$(date +%s) # {said.name}")
    return found


def _sent(request: Request) -> Json:
    try:
        return parse_json(request.body)
    except NotJSON:
        return None


def _inputs(contract: Contract, exchange: Exchange) -> Iterator[tuple[Operation, Input]]:
    """The secrets that a request can send."""
    operation = operation_of(contract, exchange)
    for said in inputs(operation) if operation else ():
        if operation and said.secret:
            yield operation, said


def _tidied(contract: Contract, finding: Finding, variables: Mapping[str, str]) -> Iterator[str]:
    """The lines that remove what the script made, unless it did so itself, the last first."""
    for exchange in reversed(finding.exchanges):
        operation = operation_of(contract, exchange)
        found = made(operation, exchange)
        request = _removal(contract, operation, exchange.request, found[1]) if operation and found else None
        if found and request:
            name = variables[found[1]]
            yield f'[ -z "${{{name}:-}}" ] || [ -n "${{{name}_GONE:-}}" ] || {_curl(request, variables, {})}; echo'


def _removal(contract: Contract, create: Operation, request: Request, identity: str) -> Request | None:
    """The request that removes what a request made."""
    _, values = contract.match(request.path)
    ids = {said.resource: in_path(values[said.name]) for said in create.parents} | {create.resource: identity}
    for operation in contract.operations:
        if operation.deleting and operation.resource == create.resource:
            path = operation.path
            for said in operation.parameters:
                path = path.replace("{" + said.name + "}", ids[said.resource])
            headers = tuple(field for field in request.headers if field[0] == "authorization")
            return Request(operation.method, path, "", headers, b"", request.shown)
    return None
