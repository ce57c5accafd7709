"""trunkline: a mock server and a contract-testing kit for the REST APIs that manage SIP trunks.

    >>> acme = trunkline.load("acme")
    >>> acme.contract.operations
    (<listTrunks GET /trunks>,)

load            load the contract and the mock world of a vendor
Vendor          a vendor: its `contract`, its `world`, and the samples of its pages
Request         an HTTP request below a vendor's base address
Response        an HTTP response
Exchange        a request and its response
Target          a function that answers a request: a mock, or an API over HTTP
Finding         one breach of a rule or a law by an implementation
Evidence        the basis of a finding: a grade, a page, a date
Grade           the strength of evidence: documented, implied, customary or a decision of ours
Report          the findings of a check, and what was exercised
TrunklineError  the base class of `DataError`, `UsageError` and `TargetError`

mock, targets, asgi, server   the modules that make, decorate and serve targets: `from trunkline import asgi, mock`

Names are imported when they are first used, so that a pytest run that does not use the plugin loses no time.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # type checkers take it for true; `typing` would be the only slow import
if TYPE_CHECKING:
    from typing import Any

    from trunkline.errors import DataError, TargetError, TrunklineError, UsageError
    from trunkline.exchange import Exchange, Request, Response, Target
    from trunkline.findings import Evidence, Finding, Grade, Report
    from trunkline.mock.loader import Vendor, load
    from trunkline.transport import asgi, server, targets

__version__ = "0.1.0"

_MODULES = {
    "errors": ("DataError", "TargetError", "TrunklineError", "UsageError"),
    "exchange": ("Exchange", "Request", "Response", "Target"),
    "findings": ("Evidence", "Finding", "Grade", "Report"),
    "mock.loader": ("Vendor", "load"),
}
_TRANSPORT = ("asgi", "server", "targets")
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

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
    "asgi",
    "server",
    "targets",
]


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        return getattr(import_module(f"trunkline.{_MODULE_OF[name]}"), name)
    if name in _TRANSPORT:
        return import_module(f"trunkline.transport.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
