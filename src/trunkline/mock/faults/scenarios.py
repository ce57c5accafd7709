"""Scenarios: lists of faults with a name, for bad days that clients meet. Each is a file in `mock/scenarios/`.

They choose operations by kind, so each works for every vendor that has such operations.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from msgspec import Struct

from trunkline.contract.files import load_toml
from trunkline.errors import UsageError
from trunkline.findings import way_out
from trunkline.mock.faults.document import Fault, parse_faults
from trunkline.mock.faults.faults import Faults, SetFault

_FOLDER = Path(__file__).parents[1] / "scenarios"


class FaultScenario(Struct, frozen=True):
    """A list of faults with a name."""

    name: str
    summary: str
    """A sentence on what happens."""
    client: str
    """The end of the sentence "A good client ...": `repeats reads.`"""
    faults: tuple[Fault, ...]


@cache
def scenarios() -> dict[str, FaultScenario]:
    """All scenarios by their names, in alphabetical order."""
    found = {}
    for path in sorted(_FOLDER.glob("*.toml")):
        table = load_toml(path, path.name)
        faults = parse_faults({"faults": table.pop("faults")}, path.name)
        found[path.stem] = FaultScenario(path.stem, table["summary"], table["client"], tuple(faults))
    return found


def scenario(name: str) -> FaultScenario:
    """The scenario of that name. Raises `UsageError` if there is none."""
    known = scenarios()
    if str(name) not in known:
        raise UsageError(f"{str(name)[:60]!r} is no scenario{way_out(str(name), known)}")
    return known[str(name)]


def switch_on(faults: Faults, name: str) -> list[SetFault]:
    """Set the faults of a scenario, in the place of its own if it is on. Raises `UsageError` for an unknown name."""
    wanted = scenario(name)
    faults.clear(name)
    return faults.add(*wanted.faults, scenario=name)
