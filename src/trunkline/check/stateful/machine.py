"""Owns the way from moves to Hypothesis' state machine: many short plays, and the shortest one that has a finding."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar

from trunkline.check.strategies import apart
from trunkline.findings import Finding

Drawn: TypeAlias = Mapping[str, tuple[int, ...]]
"""The numbers that were drawn for one move, by the name of the choice."""

G = TypeVar("G")
"""A game: what moves are made in, from its start to its end."""


@dataclass(frozen=True, slots=True)
class Move(Generic[G]):
    """Something that can be done in a game. `choices` are the numbers to draw, each below its bound; 0 is simplest."""

    name: str
    choices: Mapping[str, tuple[int, ...]]
    possible: Callable[[G], bool]
    play: Callable[[G, Drawn], Finding | None]


Step: TypeAlias = tuple[Move[G], Drawn]
"""A move, and the numbers that it is made with."""


@dataclass(frozen=True, slots=True)
class Rules(Generic[G]):
    """How a game is begun, what can be done in it, and how it ends; `openings` are the games that are always played.

    `end` puts everything back, and is told whether what is found on the way counts. In an opening, the moves that are
    not possible are left out.
    """

    moves: tuple[Move[G], ...]
    start: Callable[[], G]
    end: Callable[[G, bool], Finding | None]
    openings: tuple[list[Step[G]], ...] = ()


def run(rules: Rules[G], *, seed: int, examples: int, steps: int, tries: int = 200) -> Iterator[Finding]:
    """Plays the openings, and then `examples` games of at most `steps` moves: the finding of each game that has one.

    The same seed plays the same games. A game that has a finding is played again at most `tries` times, with fewer and
    simpler moves, and the finding is that of the shortest. After a finding the run goes on with the game that had it;
    who listens sees to it that it has no such finding again. What a move raises ends the run at once and is raised
    again.
    """
    for opening in rules.openings:
        table = _Table(rules)
        while table.played(opening):
            yield table.shortest(tries)
    while finding := _drawn(rules, seed, examples, steps, tries):
        yield finding
        seed += 1


def _drawn(rules: Rules[G], seed: int, examples: int, steps: int, tries: int) -> Finding | None:
    """The finding of the first game that has one, of games that Hypothesis draws."""
    from hypothesis import HealthCheck, Phase, Verbosity, settings  # noqa: PLC0415
    from hypothesis import seed as seeded  # noqa: PLC0415
    from hypothesis.stateful import run_state_machine_as_test  # noqa: PLC0415

    table = _Table(rules)
    machine: Any = seeded(seed)(_machine(table))
    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        print_blob=False,
        verbosity=Verbosity.quiet,
    )
    with apart(), suppress(_OverError):
        run_state_machine_as_test(machine, settings=chosen)
    if table.trouble is not None:
        raise table.trouble
    return table.shortest(tries) if table.finding else None


@dataclass(slots=True)
class _Table(Generic[G]):
    """The game that is played, and what came of it."""

    rules: Rules[G]
    steps: list[Step[G]] = field(default_factory=list)
    finding: Finding | None = None
    trouble: BaseException | None = None

    def begin(self) -> G:
        """A new game."""
        self.steps = []
        return self.rules.start()

    def made(self, game: G, move: Move[G], drawn: Drawn) -> None:
        """Makes a move. Raises when the game, and the run with it, is over."""
        self.steps.append((move, drawn))
        self._told(game, lambda: move.play(game, drawn))

    def ended(self, game: G) -> None:
        """Ends a game that was played to its end."""
        if self.finding is None and self.trouble is None:
            self._told(game, lambda: self.rules.end(game, True))

    def _told(self, game: G, what: Callable[[], Finding | None]) -> None:
        try:
            self.finding = what()
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - whatever it is, it is raised again
            self.trouble = error
        if self.finding or self.trouble:
            self._tidied(game)
            raise _OverError

    def _tidied(self, game: G) -> None:
        """Puts things back after a game that ended early; what ended it is told, not that things could not be."""
        if not isinstance(self.trouble, KeyboardInterrupt):
            with suppress(Exception):
                self.rules.end(game, False)

    def played(self, steps: list[Step[G]]) -> Finding | None:
        """Plays these steps, without those that are not possible."""
        self.finding = None
        game = self.begin()
        with suppress(_OverError):
            for move, drawn in steps:
                if move.possible(game):
                    self.made(game, move, drawn)
            self.ended(game)
        if self.trouble is not None:
            raise self.trouble
        return self.finding

    def shortest(self, tries: int) -> Finding:
        """The finding of the shortest game that the moves which led to one lead to.

        Hypothesis would look for it too, but in the numbers that it drew, not in moves: it takes many times as many
        games, and an API that is live is not asked so often.
        """
        assert self.finding is not None  # noqa: S101 - only who has one asks
        best, steps = self.finding, self.steps
        left = iter(range(tries))
        fewer = True
        while fewer:
            fewer = False
            for simpler in _simpler(steps):
                if next(left, None) is None:
                    return best
                try:
                    finding = self.played(simpler)
                except Exception:  # noqa: BLE001 - what is asked here could only make the finding shorter
                    return best
                if finding and _size(finding, self.steps) < _size(best, steps):
                    best, steps, fewer = finding, self.steps, True
                    break
        return best


def _size(finding: Finding, steps: list[Step[G]]) -> tuple[int, int, int]:
    drawn = [number for _, numbers in steps for each in numbers.values() for number in each]
    return len(finding.exchanges), len(steps), sum(drawn)


def _simpler(steps: list[Step[G]]) -> Iterator[list[Step[G]]]:
    """Games with fewer moves, then with the same moves and smaller numbers."""
    size = len(steps) // 2
    while size:
        for at in range(len(steps) - size, -1, -size):
            yield steps[:at] + steps[at + size :]
        size //= 2
    for at, (move, drawn) in enumerate(steps):
        plain: Drawn = {name: (0,) * len(numbers) for name, numbers in drawn.items()}
        if plain == drawn:
            continue
        yield [*steps[:at], (move, plain), *steps[at + 1 :]]
        for name, numbers in drawn.items():
            for index, number in enumerate(numbers):
                if number:
                    smaller = {**drawn, name: (*numbers[:index], 0, *numbers[index + 1 :])}
                    yield [*steps[:at], (move, smaller), *steps[at + 1 :]]


def _machine(table: _Table[G]) -> type:
    """The game as a state machine of Hypothesis.

    It has one rule, which draws bytes and takes from them which of the possible moves is made, and its numbers. With a
    rule for each move, Hypothesis leaves out half of them in every game (swarm testing), and a short run would not come
    to what takes several moves in a row; and what is drawn must not hang on answers, which need not be the same again.
    """
    from hypothesis import strategies as st  # noqa: PLC0415
    from hypothesis.stateful import RuleBasedStateMachine, rule  # noqa: PLC0415

    moves = table.rules.moves
    size = 1 + max(sum(map(len, move.choices.values())) for move in moves)

    class Life(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.game = table.begin()

        @rule(drawn=st.binary(min_size=size, max_size=size))
        def step(self, drawn: bytes) -> None:
            numbers = iter(drawn)
            possible = [move for move in moves if move.possible(self.game)]
            if not possible:
                return
            move = possible[next(numbers) % len(possible)]
            choices = {name: tuple(next(numbers) % bound for bound in bounds) for name, bounds in move.choices.items()}
            table.made(self.game, move, choices)

        def teardown(self) -> None:
            table.ended(self.game)

    return Life


class _OverError(BaseException):
    """The run is over, whatever Hypothesis had in mind: not an Exception, so that it ends at once."""
