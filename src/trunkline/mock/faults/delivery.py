"""An answer that is not delivered as it should be: late, slowly, in part, or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from trunkline.exchange import Response

Cut: TypeAlias = Literal["before", "in-head", "after-head", "in-body", "after"]
"""The place in an answer at which its connection is closed."""

WITHOUT_HEAD = ("before", "in-head")
"""The places before which no whole head was sent: the client has no status."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """The way in which an answer is delivered: after `delay` seconds, its body spread over `drip` seconds.

    At the place `cut` the connection is closed, or `reset`. `skew` seconds are added to the `Date`.
    """

    delay: float = 0.0
    drip: float = 0.0
    cut: Cut | None = None
    reset: bool = False
    skew: int = 0


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class FaultyResponse(Response):
    """A response with its delivery. One whose head never arrives has the status 0."""

    delivery: Delivery = Delivery()
    fault: str = ""
    """The steps that were applied, such as `503 retry-after=1`."""

    @property
    def is_cut(self) -> bool:
        """Whether the client does not get the whole answer."""
        return self.delivery.cut not in (None, "after")
