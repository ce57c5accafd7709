"""The mock: a `Target` that answers as a vendor's contract and world say.

    >>> acme = mock.from_vendor(trunkline.load("acme"))
    >>> acme(Request("GET", "/trunks", "limit=10"))
    Response(401, <77 bytes>)

`acme.records("trunks")` reads and changes its records between requests. `mock.recording` has a mock that also keeps
its requests.
"""

from trunkline.mock.mock import NOTICE_HEADER, REFUSAL_HEADER, Mock, from_vendor

__all__ = ["NOTICE_HEADER", "REFUSAL_HEADER", "Mock", "from_vendor"]
