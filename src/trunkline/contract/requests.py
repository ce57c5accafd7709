"""Requests for an operation: its path filled with values, its credential, its body."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from urllib.parse import quote, urlencode

from trunkline.contract.model import Operation
from trunkline.errors import UsageError
from trunkline.exchange import TOKEN_VARIABLE, Headers, Json, Request
from trunkline.findings import truncate

_BEARER = re.compile(r"(?i:bearer) +([A-Za-z0-9\-._~+/]+=*)", re.ASCII)
_LONGEST_NAME = 40


def fill_path(operation: Operation, values: Mapping[str, str], *, encode: bool = True) -> str:
    """The path with a value for each parameter: `/trunks/{trunk_id}` -> `/trunks/a%2Fb`.

    Values are percent-encoded, unless `encode` is false: then they are sent as they are. A parameter without a value
    stays as `{trunk_id}`.
    """
    path = operation.path
    for name, value in values.items():
        path = path.replace(f"{{{name}}}", quote(value, safe="", errors="surrogatepass") if encode else value)
    return path


def missing_parameters(operation: Operation, values: Mapping[str, str]) -> tuple[str, ...]:
    """The path parameters without a value."""
    return tuple(parameter.name for parameter in operation.path_parameters if parameter.name not in values)


def bearer_token(header: str | None) -> str | None:
    """The token in an `Authorization` header (RFC 6750, section 2.1); None for no header and for any other."""
    found = _BEARER.fullmatch(header or "")
    return found[1] if found else None


def is_bearer_token(text: str) -> bool:
    """Whether the text can be sent as a bearer token."""
    return bearer_token(f"Bearer {text}") == text


def bearer(credential: str | None, variable: str = TOKEN_VARIABLE) -> tuple[Headers, Headers]:
    """The `Authorization` header of a credential, and the same as it is printed; two empty ones for no credential."""
    if credential is None:
        return (), ()
    return (("authorization", f"Bearer {credential}"),), (("authorization", f"Bearer ${variable}"),)


def build_request(
    operation: Operation,
    values: Mapping[str, str] | None = None,
    *,
    query: str | Mapping[str, Json] = "",
    body: bytes | Json = None,
    media_type: str = "application/json",
    credential: str | None = None,
    variable: str = TOKEN_VARIABLE,
) -> Request:
    """A request for an operation. `values` fill its path; `body` is bytes, or a value that is sent as JSON.

    `credential` is sent where the operation needs one, and printed as the environment variable `variable`.
    """
    headers, shown = bearer(credential if operation.secured else None, variable)
    content = b""
    if body is not None:
        headers = (*headers, ("content-type", media_type))
        content = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    text = query if isinstance(query, str) else urlencode(query)
    return Request(operation.method, fill_path(operation, values or {}), text, headers, content, shown)


def read_request(
    operation: Operation, parameters: Mapping[str, str], credential: str | None, *, known: Mapping[str, str]
) -> Request:
    """A request that reads, with each parameter in the path or in the query, where the contract has it.

    `known` has ids for path parameters that `parameters` does not name. Names of other operations are ignored. Raises
    `UsageError` for an operation that writes, and for a path parameter without a value.
    """
    if operation.method not in {"GET", "HEAD"}:
        raise UsageError(f"{operation.operation_id} may change something; only operations that read are requested")
    values: dict[str, str] = {}
    query: dict[str, str] = {}
    for parameter in operation.parameters:
        in_path = parameter.location == "path"
        value = parameters.get(parameter.name, known.get(parameter.name) if in_path else None)
        if value is not None:
            (values if in_path else query)[parameter.name] = value
        elif in_path:
            raise UsageError(
                f"{operation.operation_id} needs to know {parameter.name}; give it with --param {parameter.name}=..."
            )
    return build_request(operation, values, query=query, credential=credential)


def operations_named(names: Collection[str], operations: Sequence[Operation]) -> list[Operation]:
    """Those of the operations that have these operationIds. Raises `UsageError` for an operationId that none has."""
    known = [operation.operation_id for operation in operations]
    for name in names:
        if name not in known:
            vendors = " or ".join(dict.fromkeys(operation.contract.vendor for operation in operations))
            raise UsageError(f"{name!r} is not an operation of {vendors}; there are: {', '.join(known)}")
    return [operation for operation in operations if operation.operation_id in names]


def check_parameters(names: Iterable[str], operations: Iterable[Operation], *locations: str) -> None:
    """Raise `UsageError` unless each name is that of a parameter of one of the operations, at one of the locations."""
    known = sorted(
        {
            parameter.name
            for operation in operations
            for parameter in operation.parameters
            if not locations or parameter.location in locations
        }
    )
    for name in names:
        if name not in known:
            meant = "".join(f"did you mean {close}? " for close in get_close_matches(name, known, 1))
            there_are = f"there are: {', '.join(known)}" if known else "there are none"
            where = f"{locations[0]} parameter" if locations else "parameter"
            raise UsageError(
                f"--param {truncate(name, _LONGEST_NAME)!r} is the name of no {where} here; {meant}{there_are}"
            )
