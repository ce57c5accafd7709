"""The mock: a `Target` that answers as a vendor's contract and world say.

>>> acme = mock.from_vendor(trunkline.load("acme"))
>>> acme(Request("GET", "/trunks", "limit=10"))
Response(401, <77 bytes>)

`acme.records("trunks")` reads and changes its records between requests; a `RecordingMock` also keeps its requests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trunkline.mock.mock import REFUSAL_HEADER, Mock, from_vendor

if TYPE_CHECKING:
    from trunkline.mock.overrides import override
    from trunkline.mock.recording import RecordedRequest, RecordingMock
    from trunkline.mock.records import Records

__all__ = [
    "REFUSAL_HEADER",
    "Mock",
    "RecordedRequest",
    "RecordingMock",
    "Records",
    "from_vendor",
    "override",
]

_LAZY = {
    "RecordedRequest": "recording",
    "RecordingMock": "recording",
    "Records": "records",
    "override": "overrides",
}
"""Names for tests, imported when they are first used, so that a server does not load them."""


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415

    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
