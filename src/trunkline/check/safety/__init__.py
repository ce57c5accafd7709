"""Safe writing on a live account: a run changes only what it created, and deletes all of it.

    >>> with Ledger.from_file(path, "acme", base) as ledger:
    ...     gate = Gate(contract, live, ledger, credentials=(token,))
    ...     leftovers = gate.clean(live, earlier=True)  # of earlier runs, and still not deleted
    ...     try:
    ...         gate(request)                   # a target like any other
    ...     finally:
    ...         leftovers += gate.clean(live)        # also after Ctrl-C

Every check that writes sends its requests through a `Gate`. It does not trust the caller: a request that could change
anything else is a bug in trunkline and is not sent. It does not trust the implementation either: the response to a
creation may return the id of another item.
"""

from __future__ import annotations

from trunkline.check.safety.access import WriteAccess, WriteOptions, write_access
from trunkline.check.safety.cleanup import Leftover
from trunkline.check.safety.gate import Gate

__all__ = ["Gate", "Leftover", "WriteAccess", "WriteOptions", "write_access"]
