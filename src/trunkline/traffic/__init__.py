"""Exchanges that others have had, recorded or passing a proxy. An `Exchange` names its parts that are `known`.

`pieces` splits a recording and finds out its format, `sources` lists a reader for each format, `validation` judges what
they read, `libraries` reads response objects of HTTP libraries, and `proxied` judges what passes the validating proxy.
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
