"""Owns the way from moves to Hypothesis' state machine: many short plays, and the shortest one that has a finding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from trunkline.findings import Finding
from trunkline.strategies import apart

Drawn: TypeAlias = Mapping[str, tuple[int, ...]]
"""The numbers that were drawn for one move, by the name of the choice."""


G = TypeVar("G")


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

    `end` puts everything back, and is told whether what is found on the way counts. The same seed plays the same games. At most `tries` more games are played to find a shorter one. What a move
    raises ends the run at once and is raised again, unless a finding came first. At least one move must be possible at
    any time.
    """
    from hypothesis import HealthCheck, Phase, Verbosity, settings  # noqa: PLC0415
    from hypothesis import seed as seeded  # noqa: PLC0415
    from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test  # noqa: PLC0415

    found: list[Finding] = []
    trouble: list[BaseException] = []
    left = tries

    def told(what: Callable[[], Finding | None]) -> Finding | None:
        try:
            finding = what()
        except (Exception, KeyboardInterrupt) as error:
            trouble.append(error)
            raise _OverError from error
        if finding is not None:
            found.append(finding)
        return finding

    def begin(machine: Any) -> None:
        nonlocal left
        RuleBasedStateMachine.__init__(machine)
        if found:
            left -= 1
            if left < 0:
                raise _OverError
        machine.game, machine.done = start(), False

    def finish(machine: Any) -> None:
        if trouble and isinstance(trouble[0], KeyboardInterrupt):
            return
        if machine.done or trouble:
            try:
                end(machine.game, False)  # noqa: FBT003 - it has its finding
            except Exception:  # noqa: BLE001 - what ended the game is told, not that it could not be tidied up
                return
        elif told(lambda: end(machine.game, True)) is not None:
            raise _FalsifiedError

    def made(machine: Any, move: Move[G], drawn: Drawn) -> None:
        if told(lambda: move.play(machine.game, drawn)) is not None:
            machine.done = True
            raise _FalsifiedError

    words: dict[str, Any] = {"__init__": begin, "teardown": finish}
    words |= {move.name: _rule(move, made) for move in moves}
    machine = type("Life", (RuleBasedStateMachine,), words)
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
            run_state_machine_as_test(seeded(seed)(machine), settings=chosen)
        except (_FalsifiedError, _OverError):
            pass
        except Exception:
            if not found:  # a game that ends otherwise each time is Hypothesis' Flaky, and a finding all the same
                raise
    if trouble and not (found and isinstance(trouble[0], Exception)):
        raise trouble[0]
    return min(reversed(found), key=lambda finding: len(finding.exchanges), default=None)


def _rule(move: Move[G], made: Callable[[Any, Move[G], Drawn], None]) -> Any:
    """The move as a rule of Hypothesis: its choices are drawn, its precondition asked."""
    from hypothesis import strategies as st  # noqa: PLC0415
    from hypothesis.stateful import precondition, rule  # noqa: PLC0415

    def step(machine: Any, drawn: Drawn) -> None:
        made(machine, move, drawn)

    def possible(machine: Any) -> bool:
        return move.possible(machine.game)

    step.__name__ = move.name
    drawn = {
        name: st.tuples(*(st.integers(0, bound - 1) for bound in bounds)) for name, bounds in move.choices.items()
    }
    return precondition(possible)(rule(drawn=st.fixed_dictionaries(drawn))(step))


class _FalsifiedError(Exception):
    """A game has a finding."""


class _OverError(BaseException):
    """The run is over, whatever Hypothesis had in mind: not an Exception, so that it ends at once."""
