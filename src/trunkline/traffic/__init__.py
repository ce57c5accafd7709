"""Recorded traffic. Each reader yields an `Exchange` whose `known` names the parts that its source has.

`sources` finds out which format a file has. `curl` and `verbose` read the output of curl, `archives` HAR files and
cassettes, `schemathesis` its reports, `libraries` the response objects of other libraries; `validation` judges.
"""

from trunkline.exchange import Request

BODY = frozenset({"body"})
RESPONSE = frozenset({"status", "headers", "body"})
WHOLE = frozenset({"request", *RESPONSE})

UNKNOWN = Request("", "")
"""The request of an exchange whose request is not known."""
