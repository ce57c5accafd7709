"""The engine runs fixed and random scenarios, ends each once, and reduces those that have a finding."""

from __future__ import annotations

import pytest

from trunkline.check.stateful.engine import Move, Numbers, Plan, ScenarioStep, run_scenarios
from trunkline.findings import Evidence, Finding, Grade


def finding(number: int, length: int = 1) -> Finding:
    """A finding with this many exchanges."""
    evidence = Evidence(Grade.IMPLIED, "https://example.com")
    return Finding(f"rule_{number}", "op", evidence, "", exchanges=(None,) * length)  # type: ignore[arg-type]


def counting(bad: frozenset[int]) -> tuple[Plan[list[int]], list[list[int]]]:
    """A plan whose moves add numbers, and the scenarios that ended. All the bad numbers together are a finding."""
    ended: list[list[int]] = []

    def add(number: int) -> Move[list[int]]:
        def run_move(numbers: list[int], _: Numbers) -> Finding | None:
            numbers.append(number)
            return finding(0, len(numbers)) if bad and bad <= set(numbers) else None

        return Move(f"add_{number}", {"how": (3, 3)}, lambda numbers: number not in numbers[-1:], run_move)

    def end(numbers: list[int], _: bool) -> Finding | None:
        ended.append(numbers)
        return None

    return Plan(tuple(add(number) for number in range(6)), list, end), ended


def test_a_scenario_is_reduced_to_the_moves_that_it_takes() -> None:
    """Of a scenario with many moves only the two that make the finding are left."""
    plan, ended = counting(frozenset({1, 4}))
    found = next(run_scenarios(plan, seed=0, examples=50, steps=20))
    assert len(found.exchanges) == 2
    assert [1, 4] in map(sorted, ended)


def test_a_fixed_scenario_is_run_until_it_has_no_finding() -> None:
    """After each finding the same fixed scenario is run again, and then the next one."""
    left = [1, 2, 3]
    names: list[str] = []

    def move(name: str) -> Move[list[int]]:
        def run_move(_: list[int], __: Numbers) -> Finding | None:
            names.append(name)
            return finding(left[0]) if left and name == "first" else None

        return Move(name, {}, lambda _: True, run_move)

    first, second = move("first"), move("second")
    fixed: tuple[list[ScenarioStep[list[int]]], ...] = ([(first, {})], [(second, {})])
    rules = []
    for found in run_scenarios(Plan((second,), list, lambda *_: None, fixed), seed=0, examples=1, steps=1, tries=0):
        rules.append(found.rule)
        left.pop(0)
    assert rules == ["rule_1", "rule_2", "rule_3"]
    assert names[:4] == ["first"] * 4
    assert set(names[4:]) == {"second"}


def test_a_scenario_without_a_finding_is_run_to_its_end() -> None:
    """As many scenarios are run as requested, each ends once, and none is longer than allowed."""
    plan, ended = counting(frozenset())
    assert list(run_scenarios(plan, seed=0, examples=20, steps=5)) == []
    assert len(ended) == 20
    assert max(map(len, ended)) == 5


def test_the_seed_decides_about_the_random_scenarios() -> None:
    """The same seed draws the same scenarios, and another seed draws others."""

    def scenarios(seed: int) -> list[list[int]]:
        plan, ended = counting(frozenset())
        assert list(run_scenarios(plan, seed=seed, examples=5, steps=5)) == []
        return ended

    assert scenarios(1) == scenarios(1)
    assert scenarios(1) != scenarios(2)


def test_a_finding_that_does_not_come_again_is_reported() -> None:
    """A finding that occurs once is yielded, though the same scenario does not find it again."""
    once = iter([finding(1, 3)])
    move: Move[list[int]] = Move("once", {}, lambda _: True, lambda *_: next(once, None))
    found = run_scenarios(Plan((move,), list, lambda *_: None), seed=0, examples=5, steps=5)
    assert next(found).rule == "rule_1"
    assert next(found, None) is None


def test_a_finding_of_the_end_counts_once() -> None:
    """A finding at the end of a scenario counts. A scenario that has one is ended without another."""
    judged_ends: list[bool] = []

    def end(_: list[int], judged: bool) -> Finding | None:
        judged_ends.append(judged)
        return finding(2, 4) if judged else None

    move: Move[list[int]] = Move("rest", {}, lambda _: True, lambda *_: None)
    found = next(run_scenarios(Plan((move,), list, end), seed=0, examples=5, steps=5, tries=0))
    assert found.rule == "rule_2"
    assert judged_ends == [True, False]


def test_a_scenario_that_raises_is_cleaned_up() -> None:
    """An error ends the run with that error, after an end that is not judged and whose own error is not raised."""
    judged_ends: list[bool] = []

    def fail(*_: object) -> Finding | None:
        raise LookupError("the target is down")

    def end(_: list[int], judged: bool) -> Finding | None:
        judged_ends.append(judged)
        raise ValueError("the target is still down")

    move: Move[list[int]] = Move("fail", {}, lambda _: True, fail)
    with pytest.raises(LookupError):
        next(run_scenarios(Plan((move,), list, end), seed=0, examples=5, steps=5))
    assert judged_ends == [False]
