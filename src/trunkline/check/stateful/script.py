"""Print the requests of a finding as a shell script of curl lines that sends them again.

Created items get other ids then, so later lines take the ids from earlier responses. No secret is printed.
"""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping

from trunkline.check.rules import operation_of
from trunkline.check.stateful.creations import created_id
from trunkline.check.stateful.fields import inputs
from trunkline.check.stateful.model import in_path
from trunkline.contract.model import Contract, Create, Delete, Operation
from trunkline.contract.requests import fill_path
from trunkline.exchange import TOKEN_VARIABLE, Exchange, Request
from trunkline.findings import Finding

_TIMESTAMP = "1763700000"
"""A text as `date +%s` prints it."""
_HEAD = r"""set -eu
answers=$(mktemp -d)
at() { # prints the value at a JSON Pointer of a response, encoded for a path: at 1 /data/id
    python3 -c 'import json, sys, urllib.parse
try:
    value = json.loads(open(sys.argv[1], "rb").read().rpartition(b"\r\n\r\n")[2])
    for part in sys.argv[2].split("/")[1:]:
        value = value[part]
except (LookupError, TypeError, ValueError):
    sys.exit("there is no " + sys.argv[2] + " in the response: the next requests cannot be sent")
print(urllib.parse.quote(str(value), safe=""))' "$answers/$1" "$2"
}"""


def script(contract: Contract, finding: Finding, base: str = "") -> str:
    """The requests of a finding as a script for `sh`, with curl and python3.

    The address is `$BASE`, `base` by default. The credentials are `$TRUNKLINE_TOKEN` and, for another account,
    `$TRUNKLINE_SECOND_TOKEN`.
    """
    pairs = [(operation_of(contract, exchange), exchange) for exchange in finding.exchanges]
    variables = _variables(pairs)
    head = ["#!/bin/sh", f"# {_one_line(f'{finding.rule} {finding.operation}: {finding.message}')}"]
    if finding.expected or finding.seen:
        expected, seen, at = map(_one_line, (finding.expected, finding.seen, finding.at))
        head.append(f"# expected {expected}, seen {seen} at {at}")
    head += [_HEAD, f"BASE=${{BASE:-{shlex.quote(base)}}}" if base else _required("BASE", "the address of the API")]
    head += [_required(name, "a credential") for name in _credentials(finding.exchanges)]
    head += [line for _, line in sorted(variables.values())]
    id_variables: dict[str, str] = {}
    leftovers: Counter[str] = Counter()
    lines: list[str] = []
    for number, (operation, exchange) in enumerate(pairs, start=1):
        name = operation.operation_id if operation else exchange.request.method
        lines += [
            "",
            f"# {number}. {name}, answered {exchange.response.status}",
            f'{_curl(exchange.request, id_variables, variables)} >"$answers/{number}"',
            f'cat "$answers/{number}"; echo',
        ]
        if operation and (created := created_id(operation, exchange)):
            at, identity = created
            id_variables[in_path(identity)] = f"ID_{number}"
            lines.append(f"ID_{number}=$(at {number} {shlex.quote(at)})")
            leftovers[operation.resource] += not contract.of_kind(Delete, operation.resource)
        variable = id_variables.get(exchange.request.path.rpartition("/")[2])
        if variable and operation and isinstance(operation.kind, Delete):
            lines.append(f'case $(head -n 1 "$answers/{number}") in *" 2"??*) {variable}_GONE=1 ;; esac')
    head += [
        f"# no page documents how to delete what this leaves in {resource}: {count}"
        for resource, count in sorted(leftovers.items())
        if count
    ]
    deletions = [line for pair in reversed(pairs) if (line := _deletion(*pair, id_variables))]
    tidy = [
        f"tidy() {{ # runs however the script ends{', and deletes what it created' if deletions else ''}",
        "    set +e",
        *(f"    {line}" for line in deletions),
        '    rm -r "$answers"',
        "}",
        "trap tidy EXIT",
        "trap 'exit 130' INT TERM",
    ]
    return "\n".join([*head, *tidy, *lines]) + "\n"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _required(name: str, meaning: str) -> str:
    """A line that stops the script if a variable is not set."""
    return f': "${{{name}:?set it to {meaning}}}"'


def _credentials(exchanges: tuple[Exchange, ...]) -> list[str]:
    """The variables that the headers of the requests use for credentials."""
    values = (value for exchange in exchanges for _, value in _headers(exchange.request))
    return sorted({name for value in values for name in re.findall(r"\$\{?([A-Z_]+)", value)})


def _headers(request: Request) -> Iterator[tuple[str, str]]:
    """The headers as they are printed: a credential as its variable."""
    shown = dict(request.shown)
    for name, value in request.headers:
        yield name, shown.get(name, f"Bearer ${TOKEN_VARIABLE}" if name == "authorization" else value)


_Variables = Mapping[str, tuple[str, str]]
"""The name of a variable for each value, and the line that sets it."""


def _curl(request: Request, id_variables: Mapping[str, str], variables: _Variables) -> str:
    words = ["curl -sSig --path-as-is"]
    if request.method != "GET":
        words.append(f"-X {request.method}")
    for name, value in _headers(request):
        is_credential = name == "authorization" or name in dict(request.shown)
        words.append(f'-H "{name}: {value}"' if is_credential else f"-H {shlex.quote(f'{name}: {value}')}")
    if request.body:
        words.append(f"--data-binary {_single_quoted(request.body.decode('utf-8', 'backslashreplace'), variables)}")
    parts = (f"${id_variables[part]}" if part in id_variables else _escaped(part) for part in request.path.split("/"))
    query = f"?{_escaped(request.query)}" if request.query else ""
    words.append(f'"$BASE{"/".join(parts)}{query}"')
    return " ".join(words)


def _escaped(text: str) -> str:
    """The text as it is written between double quotes."""
    return re.sub(r'(["$`\\])', r"\\\1", text)


def _single_quoted(text: str, variables: _Variables) -> str:
    """The text in single quotes, with variables for the values that have one."""
    quoted = "'" + text.replace("'", "'\"'\"'") + "'"
    for value, (name, _) in variables.items():
        quoted = quoted.replace(value, f"'\"${name}\"'")
    return quoted


def _variables(pairs: list[tuple[Operation | None, Exchange]]) -> _Variables:
    """Variables for the secrets that were sent, longest first, and for the values that must be unique.

    A secret is set to another value of the same length, and a unique value to another one in each run.
    """
    secrets: dict[str, tuple[str, str]] = {}
    unique: dict[str, tuple[str, str]] = {}
    for operation, exchange in pairs:
        text = exchange.request.body.decode("utf-8", "replace")
        for input_ in inputs(operation) if operation else ():
            is_unique = operation and isinstance(operation.kind, Create) and input_.name in operation.kind.unique
            for value in re.findall(rf'"{re.escape(input_.name)}"\s*:\s*"([^"\\]+)"', text):
                if value in secrets or value in unique or not input_.schema.allows(value):
                    continue  # the invalid value of a flawed body is not a secret
                if input_.secret:
                    number, length = len(secrets) + 1, len(value)
                    name, plain = f"SECRET_{number}", f"{number:0{length}d}"
                    line = f"{name}=$(printf '%0{length}d' {number}) # {input_.name}"
                    if len(plain) != length or not input_.schema.allows(plain):
                        line = _required(name, f"a {input_.name} of {length} characters")
                    secrets[value] = (name, line)
                elif is_unique and input_.schema.allows(f"{value}{_TIMESTAMP}"):
                    name = f"UNIQUE_{len(unique) + 1}"
                    unique[value] = (name, f"{name}={shlex.quote(value)}$(date +%s) # {input_.name}")
    return dict(sorted(secrets.items(), key=lambda entry: len(entry[0]), reverse=True)) | unique


def _deletion(operation: Operation | None, exchange: Exchange, id_variables: Mapping[str, str]) -> str:
    """A line that deletes the item which the exchange created, unless the script did; empty if there is none."""
    created = created_id(operation, exchange)
    delete = next(iter(operation.contract.of_kind(Delete, operation.resource)), None) if operation else None
    if operation is None or created is None or delete is None:
        return ""
    request, (_, identity) = exchange.request, created
    _, values = operation.contract.match(request.path)
    ids = {parameter.resource: in_path(values[parameter.name]) for parameter in operation.parents}
    ids[operation.resource] = identity
    path = fill_path(delete, {found.name: ids[found.resource] for found in delete.parameters}, encode=False)
    headers = tuple(header for header in request.headers if header[0] == "authorization")
    line = _curl(Request(delete.method, path, "", headers, b"", request.shown), id_variables, {})
    name = id_variables[identity]
    return f'[ -z "${{{name}:-}}" ] || [ -n "${{{name}_GONE:-}}" ] || {line}; echo'
