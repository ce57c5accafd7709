"""How long a check asks again before it says that a read is wrong: some implementations show a write a little later."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_FIRST_PAUSE = 0.05


@dataclass(frozen=True, slots=True)
class Settling:
    """`allowed` is the lag in seconds that is no finding, `watched` the longest lag that a finding can name.

    `NO_SETTLING` never asks again.
    """

    allowed: float = 0.0
    watched: float = 0.0
    sleep: Callable[[float], None] = time.sleep

    def pauses(self, longest: float) -> Iterator[float]:
        """Pause for at most `longest` seconds in all; yields the seconds since the first pause after each of them."""
        passed, pause = 0.0, _FIRST_PAUSE
        while passed < longest:
            pause = min(pause, longest - passed)
            self.sleep(pause)
            passed += pause
            pause *= 2
            yield passed


NO_SETTLING = Settling()
