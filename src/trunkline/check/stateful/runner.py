"""Run the stateful check: scenarios that create, read, update, act on and delete items, judged against a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from random import Random

from trunkline.check.settling import NO_SETTLING, Settling
from trunkline.check.stateful.engine import Plan, run_scenarios
from trunkline.check.stateful.laws import STATEFUL_LAWS, StatefulLaw
from trunkline.check.stateful.moves import moves
from trunkline.check.stateful.request_bodies import ValueFactory
from trunkline.check.stateful.resources import operations_of
from trunkline.check.stateful.scenario import Scenario, StatefulRun
from trunkline.check.stateful.scenarios import fixed_scenarios
from trunkline.check.stateful.write_moves import clean_up
from trunkline.contract.model import Contract
from trunkline.errors import TargetError
from trunkline.exchange import Target
from trunkline.findings import Finding


@dataclass(frozen=True, slots=True)
class Exercised:
    """Whether a law was judged for an operation: `reason` says why not, and is empty if it was."""

    operation: str
    law: str
    reason: str


def run_stateful(
    contract: Contract,
    target: Target,
    *,
    prefix: str,
    factory: ValueFactory | None = None,
    credential: str | None = None,
    second_credential: str | None = None,
    allowed_leftovers: int | None = None,
    seed: int = 0,
    examples: int = 25,
    steps: int = 12,
    most_findings: int = 6,
    tries: int = 200,
    settling: Settling = NO_SETTLING,
    progress: Callable[[str], None] = lambda _: None,
) -> Iterator[Finding | Exercised]:
    """Check every resource that the contract can create. Yields the findings, then which laws were judged.

    `prefix` begins the name of every created item; the `factory` of an earlier run repeats no value.
    `second_credential` is that of another account. `allowed_leftovers` is how many items may be left that no operation
    deletes, None for any number. `settling` says how long a read is made again before it is a finding. After a finding
    its law is suppressed and the check goes on, up to `most_findings`. An exception of the target is raised after
    everything was yielded.
    """
    factory = factory or factory_of(prefix, seed)
    stateful = StatefulRun(contract, target, factory, credential, second_credential, allowed_leftovers)
    stateful.settling = settling
    error: TargetError | None = None
    progress("stateful check")
    try:
        findings = run_scenarios(plan_of(stateful), seed=seed, examples=examples, steps=steps, tries=tries)
        for finding in islice(findings, most_findings):
            yield finding
            stateful.stop_reporting(finding)
            progress(f"stateful check, without {finding.rule}")
    except TargetError as raised:
        error = raised
    for operation in contract.operations:
        for law in STATEFUL_LAWS:
            if law.concerns(operation):
                judged = stateful.counts[operation.operation_id, law.name]
                reason = "" if judged else str(error or _reason(stateful, law, operation.resource))
                yield Exercised(operation.operation_id, law.name, reason)
    if error is not None:
        raise error


def factory_of(prefix: str, seed: int) -> ValueFactory:
    """The values of a run: their names begin with the prefix."""
    return ValueFactory(prefix, Random(f"{prefix}{seed}"))  # noqa: S311 - values to send, not secrets


def plan_of(stateful: StatefulRun) -> Plan[Scenario]:
    """The moves and the fixed scenarios for a contract."""
    table = moves(stateful)
    return Plan(table, stateful.start, clean_up, fixed_scenarios(stateful.resources, table))


def _reason(stateful: StatefulRun, law: StatefulLaw, resource: str) -> str:
    """The reason why a law was not judged."""
    operations = operations_of(stateful.contract, resource)
    if law.needs_other_account and stateful.second_credential is None:
        return "the credential of another account is not known; give it with --second-token"
    chain = (operations_of(stateful.contract, name) for name in (resource, *(operations.parents if operations else ())))
    if stateful.allowed_leftovers == 0 and any(found is not None and not found.deletes for found in chain):
        return "no operation deletes such an item; allow some to stay with --leave"
    resources = (resource, *reversed(operations.parents if operations else ()))
    creation_problems = (stateful.creation_problems[name] for name in resources if name in stateful.creation_problems)
    return next(creation_problems, "no scenario reached it; run more with --examples")
