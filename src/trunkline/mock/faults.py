"""Faults: what a mock does wrong on request."""

from __future__ import annotations

from trunkline.exchange import RawHeaders, Request, Response
from trunkline.mock.mock import Mock

FAULT_HEADER = "x-trunkline-fault"
"""The request header that asks for a fault in the answer."""


class Faults:
    """The faults that are set."""

    any = False
    """Whether any fault is set."""

    def answer(self, mock: Mock, request: Request) -> tuple[Response, RawHeaders, str]:
        """The mock's answer with the first fault that matches the request, and the name of the fault."""
        return *mock.answer(request), ""


def asks_for_fault(request: Request) -> bool:
    """Whether a request asks for a fault in its own header fields."""
    return any(name == FAULT_HEADER for name, _ in request.headers)
