"""Owns what may be written on a live account: only what the run made itself, and everything it made is known.

    >>> gate = Gate(contract, live, Ledger.from_file(path, "acme", base), credentials=(token,))
    >>> left = gate.finish(patient(live))          # what an earlier run could not remove
    >>> check(vendor, gate, ...)
    >>> left += gate.clean(patient(live))          # in any case, also after Ctrl-C

Every check that writes asks a `Gate`, which is a target. It trusts nobody: neither the caller, of whom a request for
anything else is a mistake of ours, nor the implementation, whose answers may tell the id of something else.
"""

from __future__ import annotations

from trunkline.check.safety.access import WriteAccess, WriteOptions, write_access
from trunkline.check.safety.cleanup import Leftover
from trunkline.check.safety.gate import Gate

__all__ = ["Gate", "Leftover", "WriteAccess", "WriteOptions", "write_access"]
