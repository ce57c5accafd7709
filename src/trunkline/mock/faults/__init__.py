"""Faults: what a mock does wrong on request.

    >>> session = MockSession([trunkline.load("acme")])
    >>> session.faults.add(parse_line("listTrunks: 503 x2, then 429 retry-after=1"))
    >>> session.mocks["acme"](request).status
    503

`document` declares a fault and reads it from JSON and TOML, `line` from one line of text, and `preferences` from the
header fields of a request. `faults` chooses and counts, `effects` changes the answers, `answers` has the refusals.
"""

from trunkline.mock.faults.delivery import Delivery, FaultyResponse
from trunkline.mock.faults.document import Fault, Step, load_faults, parse_fault, parse_faults
from trunkline.mock.faults.faults import Faults, SetFault
from trunkline.mock.faults.line import parse_line, to_line
from trunkline.mock.faults.preferences import FAULT_HEADER, asks_for_fault
from trunkline.mock.faults.scenarios import FaultScenario, scenario, scenarios, switch_on

__all__ = [
    "FAULT_HEADER",
    "Delivery",
    "Fault",
    "FaultScenario",
    "Faults",
    "FaultyResponse",
    "SetFault",
    "Step",
    "asks_for_fault",
    "load_faults",
    "parse_fault",
    "parse_faults",
    "parse_line",
    "scenario",
    "scenarios",
    "switch_on",
    "to_line",
]
