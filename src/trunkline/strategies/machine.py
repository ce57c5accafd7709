"""Owns the way from moves to Hypothesis' state machine: many short plays, and the shortest one that has a finding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar

from trunkline.findings import Finding
from trunkline.strategies import apart

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


def run(
    moves: tuple[Move[G], ...],
    start: Callable[[], G],
    end: Callable[[G, bool], Finding | None],
    *,
    seed: int,
    examples: int,
    steps: int,
    tries: int = 500,
) -> Finding | None:
    """Plays `examples` games of at most `steps` moves; the finding of the shortest game that has one, or None.

    The same seed plays the same games, and at most `tries` more are played to find a shorter one. `end` puts
    everything back, and is told whether what is found on the way counts. What a move raises ends the run at once and
    is raised again, unless a finding came first. At least one move must be possible at any time.
    """
    from hypothesis import HealthCheck, Phase, Verbosity, settings  # noqa: PLC0415
    from hypothesis import seed as seeded  # noqa: PLC0415
    from hypothesis.stateful import run_state_machine_as_test  # noqa: PLC0415

    table = _Table(start, end, tries)
    machine: Any = seeded(seed)(_machine(table, moves))
    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        print_blob=False,
        verbosity=Verbosity.quiet,
    )
    with apart():
        try:
            run_state_machine_as_test(machine, settings=chosen)
        except (_FalsifiedError, _OverError):
            pass
        except Exception:
            if not table.found:  # a game that ends otherwise each time is Hypothesis' Flaky, and a finding all the same
                raise
    if table.trouble is not None and not (table.found and isinstance(table.trouble, Exception)):
        raise table.trouble
    return min(reversed(table.found), key=lambda finding: len(finding.exchanges), default=None)


@dataclass(slots=True)
class _Table(Generic[G]):
    """What is found over all games, and what went wrong."""

    start: Callable[[], G]
    end: Callable[[G, bool], Finding | None]
    tries: int
    found: list[Finding] = field(default_factory=list)
    trouble: BaseException | None = None

    def begun(self) -> G:
        """A new game, if there is to be one more."""
        if self.found:
            self.tries -= 1
            if self.tries < 0:
                raise _OverError
        return self.start()

    def told(self, what: Callable[[], Finding | None]) -> None:
        """Does something in a game; raises when the game, or the whole run, is over with it."""
        try:
            finding = what()
        except (Exception, KeyboardInterrupt) as error:
            self.trouble = error
            raise _OverError from error
        if finding is not None:
            self.found.append(finding)
            raise _FalsifiedError

    def ended(self, game: G) -> None:
        """Puts things back after a game that ended early; what ended it is told, not that things could not be."""
        if not isinstance(self.trouble, KeyboardInterrupt):
            with suppress(Exception):
                self.end(game, False)


def _machine(table: _Table[G], moves: tuple[Move[G], ...]) -> type:
    """The game as a state machine of Hypothesis.

    It has one rule, which draws the move: with a rule for each, Hypothesis leaves out half of them in every game
    (swarm testing), and a short run would not come to what takes several moves in a row.
    """
    from hypothesis import strategies as st  # noqa: PLC0415
    from hypothesis.stateful import RuleBasedStateMachine, rule  # noqa: PLC0415

    numbers = {
        move.name: st.fixed_dictionaries(
            {name: st.tuples(*(st.integers(0, bound - 1) for bound in bounds)) for name, bounds in move.choices.items()}
        )
        for move in moves
    }
    every = st.sampled_from(moves)

    class Life(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.early = False
            self.game = table.begun()

        @rule(data=st.data())
        def step(self, data: st.DataObject) -> None:
            move = data.draw(every.filter(lambda move: move.possible(self.game)))
            drawn = data.draw(numbers[move.name])
            self.early = True
            table.told(lambda: move.play(self.game, drawn))
            self.early = False

        def teardown(self) -> None:
            if self.early:
                table.ended(self.game)
            else:
                table.told(lambda: table.end(self.game, True))

    return Life


class _FalsifiedError(Exception):
    """A game has a finding."""


class _OverError(BaseException):
    """The run is over, whatever Hypothesis had in mind: not an Exception, so that it ends at once."""
