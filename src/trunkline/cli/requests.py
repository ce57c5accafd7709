"""Owns the one request that a command line describes: its operation, and each parameter at its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from trunkline.errors import UsageError

if TYPE_CHECKING:
    from trunkline.contract.model import Operation
    from trunkline.exchange import Request
    from trunkline.mock.loader import Vendor


def parameters(params: tuple[str, ...], operations: list[Operation], *places: str) -> dict[str, str]:
    """The `name=value` pairs, each a documented parameter of one of the operations; no sentence quotes a value."""
    documented = {
        parameter.name: parameter.location
        for operation in operations
        for parameter in operation.parameters
        if not places or parameter.location in places
    }
    found = {}
    for param in params:
        name, equals, value = param.partition("=")
        if not equals or not value:
            raise UsageError("--param has no value; write it as --param name=value")
        if name not in documented:
            there = ", ".join(documented) or "there is none to give"
            raise UsageError(f"--param names no parameter that can be given here: {there}")
        if not is_text(value):
            raise UsageError(f"--param {name} has a value that is not UTF-8; give it as text")
        found[name] = value
    return found


def is_text(value: str) -> bool:
    """Whether a value came as UTF-8: bytes that are none are kept by Python as lone surrogates."""
    return not any("\ud800" <= letter <= "\udfff" for letter in value)


def in_path(operation: Operation, parameters: Mapping[str, str]) -> dict[str, str]:
    """Those of the parameters that stand in the operation's path."""
    names = {parameter.name for parameter in operation.parameters if parameter.location == "path"}
    return {name: value for name, value in parameters.items() if name in names}


def only(vendor: Vendor, rest: tuple[str, ...]) -> Operation:
    """The operation to ask for: the one named, or the only one."""
    from trunkline.traffic.sources import named  # noqa: PLC0415

    if len(rest) > 1:
        raise UsageError("with --live there is no SOURCE; name the OPERATION only")
    if rest:
        return named(vendor.contract, rest[0])
    if len(vendor.contract.operations) > 1:
        there = ", ".join(operation.operation_id for operation in vendor.contract.operations)
        raise UsageError(f"{vendor.name} has several operations; name one of: {there}")
    return vendor.contract.operations[0]


def request(operation: Operation, parameters: Mapping[str, str], credential: str | None) -> Request:
    """One request for an operation, with parameters where the contract places them."""
    from urllib.parse import quote, urlencode  # noqa: PLC0415

    from trunkline.exchange import Request  # noqa: PLC0415

    if operation.method not in {"GET", "HEAD"}:
        raise UsageError(f"{operation.operation_id} may change something; only what reads is asked")
    path, query = operation.path, {}
    for parameter in operation.parameters:
        value = parameters.get(parameter.name)
        if parameter.location != "path":
            if value is not None:
                query[parameter.name] = value
        elif value is None:
            raise UsageError(
                f"{operation.operation_id} needs to know {parameter.name}; give it with --param {parameter.name}=..."
            )
        else:
            path = path.replace(f"{{{parameter.name}}}", quote(value, safe=""))
    fields = (("authorization", f"Bearer {credential}"),) if credential and operation.secured else ()
    return Request(operation.method, path, urlencode(query), fields)
