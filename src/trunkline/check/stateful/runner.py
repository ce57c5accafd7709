"""Owns the life of things: laws over sequences of requests, and the plays that put them to the test.

A play creates, reads, changes and removes as Hypothesis draws it, with a model of what must be true; what is found
comes with the shortest play that shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from random import Random

from trunkline.check.stateful.engine import Plan, run
from trunkline.check.stateful.inputs import ValueFactory
from trunkline.check.stateful.laws import STATEFUL_LAWS, StatefulLaw
from trunkline.check.stateful.moves import moves
from trunkline.check.stateful.scenario_run import StatefulRun
from trunkline.check.stateful.scenarios import openings
from trunkline.check.stateful.write_moves import end
from trunkline.contract.model import Contract
from trunkline.errors import TargetError
from trunkline.exchange import Target
from trunkline.findings import Finding

ROUNDS = 6
"""After so many findings a life is not played again."""


@dataclass(frozen=True, slots=True)
class Exercised:
    """Whether a law was put to the test with an operation: `reason` is empty when it was, else why not."""

    operation: str
    law: str
    reason: str


def live(
    contract: Contract,
    target: Target,
    *,
    prefix: str,
    credential: str | None = None,
    second: str | None = None,
    leave: int | None = None,
    seed: int = 0,
    examples: int = 25,
    steps: int = 12,
    rounds: int = ROUNDS,
    tries: int = 200,
    progress: Callable[[str], None] = lambda _: None,
) -> Iterator[Finding | Exercised]:
    """Plays the life of everything that the contract can create; findings first, then what was exercised.

    `prefix` begins the name of all that is made, `second` is the credential of another account, and `leave` how many
    things may stay that no operation removes. After a finding life is played again without its law, at most `rounds`
    times. What the target raises is raised again, when all is told.
    """
    run_ = StatefulRun(contract, target, ValueFactory(prefix, Random(f"{prefix}{seed}")), credential, second, leave)  # noqa: S311 - values to send, not secrets
    trouble: TargetError | None = None
    progress("life")
    try:
        found = play(run_, seed=seed, examples=examples, steps=steps, tries=tries)
        for finding in islice(found, rounds):
            yield finding
            run_.mute(finding)
            progress(f"life, without {finding.rule}")
    except TargetError as error:
        trouble = error
    for operation in contract.operations:
        for law in STATEFUL_LAWS:
            if law.concerns(operation):
                done = run_.counts[operation.operation_id, law.name]
                reason = "" if done else str(trouble or _reason(run_, law, operation.resource))
                yield Exercised(operation.operation_id, law.name, reason)
    if trouble is not None:
        raise trouble


def play(run_: StatefulRun, *, seed: int, examples: int, steps: int, tries: int = 200) -> Iterator[Finding]:
    """The findings of the openings and of many drawn plays, each of the shortest play that has it.

    Who listens mutes each, and the plays go on.
    """
    if not run_.roles:
        return iter(())
    made = moves(run_)
    return run(
        Plan(made, run_.start, end, openings(run_, made)), seed=seed, examples=examples, steps=steps, tries=tries
    )


def _reason(run_: StatefulRun, law: StatefulLaw, resource: str) -> str:
    """Why a law was not put to the test."""
    role = run_.role(resource)
    if law.second and run_.second is None:
        return "the credential of another account is not known; give it with --second-token"
    if role is not None and not role.deletes and run_.leave == 0:
        return "no page documents how one is removed; allow some to stay with --leave"
    above = (resource, *reversed(role.parents if role else ()))
    return next((run_.obstacles[each] for each in above if each in run_.obstacles), "no play came to it; play more")
