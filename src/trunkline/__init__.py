"""trunkline: a mock server and a contract-testing kit for the REST APIs that manage SIP trunks.

    >>> acme = trunkline.load("acme")
    >>> acme.contract.operations
    (<listTrunks GET /trunks>,)

Names are imported when first used, so that a pytest run that only meets the plugin pays for nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trunkline.errors import DataError, TargetError, TrunklineError, UsageError
    from trunkline.exchange import Exchange, Request, Response, Target
    from trunkline.findings import Evidence, Finding, Grade, Report
    from trunkline.mock.loader import Vendor, load

__version__ = "0.1.0"

_HOMES = {
    "errors": ("DataError", "TargetError", "TrunklineError", "UsageError"),
    "exchange": ("Exchange", "Request", "Response", "Target"),
    "findings": ("Evidence", "Finding", "Grade", "Report"),
    "mock.loader": ("Vendor", "load"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [  # noqa: RUF022 - in the order of the modules
    "DataError",
    "TargetError",
    "TrunklineError",
    "UsageError",
    "Exchange",
    "Request",
    "Response",
    "Target",
    "Evidence",
    "Finding",
    "Grade",
    "Report",
    "Vendor",
    "load",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"trunkline.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
