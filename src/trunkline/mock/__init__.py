"""The mock: a `Target` that answers as a vendor's contract and world say.

>>> acme = mock.from_vendor(trunkline.load("acme"))
>>> acme(Request("GET", "/trunks", "limit=10"))
Response(401, <77 bytes>)
"""

from trunkline.mock.mock import REFUSAL_HEADER, Mock, from_vendor

__all__ = ["REFUSAL_HEADER", "Mock", "from_vendor"]
