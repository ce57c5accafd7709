"""Recorded traffic. Each reader yields an `Exchange` whose `known` names the parts that its source has.

`sources` finds out which format a file has. `curl` and `verbose` read the output of curl, `archives` HAR files and
cassettes, `schemathesis` its reports, `libraries` the response objects of other libraries; `validation` judges, and
`judge_batch` one batch of many.
"""

from __future__ import annotations

from trunkline.exchange import Request

TYPE_CHECKING = False  # type checkers take it for true
if TYPE_CHECKING:
    from typing import Any

    from trunkline.traffic.batch import judge_batch as judge_batch

BODY = frozenset({"body"})
RESPONSE = frozenset({"status", "headers", "body"})
WHOLE = frozenset({"request", *RESPONSE})

UNKNOWN = Request("", "")
"""The request of an exchange whose request is not known."""


def __getattr__(name: str) -> Any:
    if name == "judge_batch":  # it needs all that judges, and a reader needs none of it
        from trunkline.traffic.batch import judge_batch  # noqa: PLC0415

        return judge_batch
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
