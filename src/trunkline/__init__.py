"""trunkline: a mock server and a contract-testing kit for the REST APIs that manage SIP trunks.

>>> telepath = trunkline.load("telepath")
>>> telepath.contract.operations
(<listTrunks GET /trunks>,)
"""

from trunkline.errors import DataError, TargetError, TrunklineError, UsageError
from trunkline.exchange import Exchange, Request, Response, Target
from trunkline.findings import Evidence, Finding, Grade, Report
from trunkline.library import Vendor, load

__version__ = "0.1.0"

__all__ = [
    "DataError",
    "Evidence",
    "Exchange",
    "Finding",
    "Grade",
    "Report",
    "Request",
    "Response",
    "Target",
    "TargetError",
    "TrunklineError",
    "UsageError",
    "Vendor",
    "load",
]
