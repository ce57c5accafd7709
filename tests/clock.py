"""A clock for tests, which never wait."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Clock:
    """A clock that moves when a test sets it, or somebody sleeps. `pauses` has the seconds of each sleep."""

    now: float = 1_800_000_000.0
    pauses: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds
