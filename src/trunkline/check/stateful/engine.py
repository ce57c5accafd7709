"""Run the fixed scenarios and then random ones, and reduce each that has a finding to the shortest that still has it.

Random ones are drawn with `random.Random` and not with Hypothesis, for the reasons in "Why fixed and random scenarios"
in docs/stateful.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Generic, TypeAlias, TypeVar

from trunkline.findings import Finding

Numbers: TypeAlias = Mapping[str, tuple[int, ...]]
"""The numbers of a move, by the name of the choice: `{"body": (0, 2), "read": (1,)}`."""

S = TypeVar("S")
"""The state of a running scenario."""


@dataclass(frozen=True, slots=True)
class Move(Generic[S]):
    """An action that a scenario can take, such as creating a trunk.

    `choices` are the numbers to draw: for each name, the bounds of its numbers. 0 is always the simplest choice.
    """

    name: str
    choices: Mapping[str, tuple[int, ...]]
    possible: Callable[[S], bool]
    run: Callable[[S, Numbers], Finding | None]


ScenarioStep: TypeAlias = tuple[Move[S], Numbers]
"""A move with its numbers."""


T = TypeVar("T")


def choose(choices: Sequence[T], number: int) -> T:
    """The choice at a drawn number, which may be larger than the number of choices."""
    return choices[number % len(choices)]


@dataclass(frozen=True, slots=True)
class Plan(Generic[S]):
    """The moves that scenarios are made of, how one starts and ends, and the `fixed` scenarios.

    `end` cleans up; its second argument is whether it may return a finding.
    """

    moves: tuple[Move[S], ...]
    start: Callable[[], S]
    end: Callable[[S, bool], Finding | None]
    fixed: tuple[list[ScenarioStep[S]], ...] = ()


@dataclass(frozen=True, slots=True)
class _Outcome(Generic[S]):
    """A finding, and the steps that led to it."""

    finding: Finding
    steps: list[ScenarioStep[S]]

    @property
    def size(self) -> tuple[int, int, int]:
        drawn = [number for _, choices in self.steps for numbers in choices.values() for number in numbers]
        return len(self.finding.exchanges), len(self.steps), sum(drawn)


def run_scenarios(plan: Plan[S], *, seed: int, examples: int, steps: int, tries: int = 200) -> Iterator[Finding]:
    """Run the fixed scenarios, then `examples` random ones of at most `steps` moves, and yield what is found.

    The same seed draws the same scenarios. A scenario with a finding is run again at most `tries` times with fewer and
    simpler moves, and the finding of the shortest is yielded. Then the same scenario is run again, so the caller must
    suppress the law of each finding. Exceptions end the run.
    """
    for fixed in plan.fixed:
        while outcome := _run_steps(plan, fixed):
            yield _shortest(plan, outcome, tries)
    while outcome := _run_random(plan, Random(seed), examples, steps):  # noqa: S311 - choices of moves, not secrets
        yield _shortest(plan, outcome, tries)
        seed += 1


def _run_random(plan: Plan[S], random: Random, examples: int, steps: int) -> _Outcome[S] | None:
    """The outcome of the first random scenario that has a finding."""

    def draw(state: S) -> Iterator[ScenarioStep[S]]:
        for _ in range(steps):
            if possible := [move for move in plan.moves if move.possible(state)]:
                move = random.choice(possible)
                yield move, {name: tuple(map(random.randrange, bounds)) for name, bounds in move.choices.items()}

    return next((outcome for _ in range(examples) if (outcome := _run(plan, draw))), None)


def _run_steps(plan: Plan[S], steps: list[ScenarioStep[S]]) -> _Outcome[S] | None:
    """Run these steps, without those that are not possible."""
    return _run(plan, lambda state: (step for step in steps if step[0].possible(state)))


def _run(plan: Plan[S], steps_of: Callable[[S], Iterable[ScenarioStep[S]]]) -> _Outcome[S] | None:
    """Run a scenario of the steps that `steps_of` yields, one at a time, until one has a finding; then clean up."""
    state, taken, finding = plan.start(), [], None
    try:
        for move, numbers in steps_of(state):
            taken.append((move, numbers))
            if finding := move.run(state, numbers):
                break
        else:
            finding = plan.end(state, True)
    except Exception:
        with suppress(Exception):
            plan.end(state, False)
        raise
    if finding is None:
        return None
    with suppress(Exception):
        plan.end(state, False)
    return _Outcome(finding, taken)


def _shortest(plan: Plan[S], best: _Outcome[S], tries: int) -> Finding:
    """The finding of the shortest scenario that can be made of these steps and still has one."""
    candidates = _simpler(best.steps)
    with suppress(Exception):  # a finding that cannot be made shorter is kept as it is
        for _ in range(tries):
            if (steps := next(candidates, None)) is None:
                break
            outcome = _run_steps(plan, steps)
            if outcome and outcome.size < best.size:
                best, candidates = outcome, _simpler(outcome.steps)
    return best.finding


def _simpler(steps: list[ScenarioStep[S]]) -> Iterator[list[ScenarioStep[S]]]:
    """Scenarios with fewer moves, then with the same moves and smaller numbers."""
    size = len(steps) // 2
    while size:
        for at in range(len(steps) - size, -1, -size):
            yield steps[:at] + steps[at + size :]
        size //= 2
    for at, (move, choices) in enumerate(steps):
        zeros: Numbers = {name: (0,) * len(numbers) for name, numbers in choices.items()}
        if zeros == choices:
            continue
        yield [*steps[:at], (move, zeros), *steps[at + 1 :]]
        for name, numbers in choices.items():
            for index, number in enumerate(numbers):
                if number:
                    smaller = {**choices, name: (*numbers[:index], 0, *numbers[index + 1 :])}
                    yield [*steps[:at], (move, smaller), *steps[at + 1 :]]
