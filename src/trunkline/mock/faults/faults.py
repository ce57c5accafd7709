"""The faults of a session: which are set, which requests they match, and how often each was used."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import count
from random import Random
from threading import Lock
from typing import NamedTuple

import msgspec

from trunkline.contract.model import Operation
from trunkline.errors import UsageError
from trunkline.exchange import Json, Request
from trunkline.findings import truncate
from trunkline.mock.faults import effects, preferences
from trunkline.mock.faults.document import ANY, Fault, Step
from trunkline.mock.faults.effects import Answered, Chosen, MockRequest
from trunkline.mock.faults.line import to_line
from trunkline.mock.loader import Vendor
from trunkline.mock.mock import Mock

MOST_FAULTS = 1000
"""The most faults of one session."""
LONGEST_FAULT = 64 << 10
"""The most characters of a fault as a line: a request to the mock has to read it."""
LONGEST_TOGETHER = 1 << 20
"""The most characters of the faults of one session together."""
_LONGEST_QUOTED = 200
_OPERATION_KINDS = ("list", "fetch", "create", "update", "delete", "act", "read", "write")
"""The names of `Fault.operation` for several operations."""


class SetFault(NamedTuple):
    """A fault that is set: its number, how many answers it has changed, whether it is over, and its scenario."""

    id: int
    fault: Fault
    line: str
    """The fault in the words of `--fault`."""
    used: int
    is_over: bool
    scenario: str = ""

    def to_json(self) -> Json:
        """The fault as JSON."""
        fault: Json = msgspec.to_builtins(self.fault)
        return {**self._asdict(), "fault": fault}


class Faults:
    """The faults of a session, in the order in which they were set. Any thread may use them.

    Each matching fault that only delays an answer delays it. The first other one decides what the answer is. `vendors`
    gives the vendors as they are now, by which new faults are checked.
    """

    def __init__(self, vendors: Callable[[], Iterable[Vendor]]) -> None:
        self._vendors = vendors
        self._entries: dict[int, _Entry] = {}
        self._ids = count(1)
        self._seeds = Random(0)  # noqa: S311 - the same at each start, not secrets
        self._lock = Lock()
        self.any = False
        """Whether any fault is set."""

    def add(self, *faults: Fault, scenario: str = "", place: str = "") -> list[SetFault]:
        """Set faults.

        Raises `UsageError` with the `place` for one that is too long or can change no answer of these vendors.
        """
        new = [_Entry(fault, scenario) for fault in faults]
        for entry in new:
            where = f"{place} {truncate(entry.line, _LONGEST_QUOTED)!r}".lstrip()
            if len(entry.line) > LONGEST_FAULT:
                raise UsageError(f"{where}: it has {len(entry.line)} characters, at most {LONGEST_FAULT} are allowed")
            if not scenario:  # a scenario is made for any vendor, some of which lack an operation of its kinds
                _check(entry.fault, [*self._vendors()], where)
        with self._lock:
            if len(self._entries) + len(new) > MOST_FAULTS:
                raise UsageError(f"more than {MOST_FAULTS} faults would be set; remove some")
            if sum(len(entry.line) for entry in (*self._entries.values(), *new)) > LONGEST_TOGETHER:
                raise UsageError(f"the faults would have more than {LONGEST_TOGETHER} characters together; remove some")
            entries = {next(self._ids): entry for entry in new}
            self._entries = {**self._entries, **entries}
            self.any = bool(self._entries)
        return [entry.state(number) for number, entry in entries.items()]

    def remove(self, *ids: int) -> bool:
        """Remove faults by their numbers. Return whether all of them were set."""
        with self._lock:
            kept = {number: entry for number, entry in self._entries.items() if number not in ids}
            found = len(self._entries) - len(kept) == len({*ids})
            self._entries, self.any = kept, bool(kept)
        return found

    def clear(self, scenario: str = "") -> int:
        """Remove all faults, or those of a scenario. Return how many they were."""
        ids = [found.id for found in self.entries() if scenario in ("", found.scenario)]
        self.remove(*ids)
        return len(ids)

    def entries(self) -> list[SetFault]:
        """The faults, in the order in which they were set."""
        with self._lock:
            return [entry.state(number) for number, entry in self._entries.items()]

    # --- requests

    def answer(self, mock: Mock, request: Request) -> Answered:
        """The mock's answer with the faults that the request matches or asks for."""
        try:
            wanted = preferences.faults_of(request)
            for fault in wanted:
                _check(fault, [mock.vendor], preferences.FAULT_HEADER)
        except UsageError as error:
            return Answered(effects.refuse_header(mock, request, str(error)))
        own = [(self._asked_for(fault), "") for fault in wanted]
        own += [(self._asked_for(fault), preference) for fault, preference in preferences.preferred(request)]
        asked, chosen, applied = MockRequest.of(mock, request), list[Chosen](), list[str]()
        with self._lock:
            for entry, preference in (*own, *((entry, "") for entry in self._entries.values())):
                decided = any(not found.step.only_delays for found in chosen)
                if entry.matches(asked) and (found := entry.choose(asked, self._lock, only_delays=decided)):
                    chosen.append(found)
                    applied += [preference] if preference else []
        answer = effects.answer(asked, chosen)
        if not applied:
            return answer
        fields = (("preference-applied", ", ".join(applied)),)
        return answer._replace(response=effects.with_headers(answer.response, fields))

    def _asked_for(self, fault: Fault) -> _Entry:
        """The fault of one request. Without a seed of its own, each has another one."""
        return _Entry(fault, seed=self._seeds.getrandbits(53))


def is_meant(name: str, operation: Operation | None) -> bool:
    """Whether `Fault.operation` means an operation; None is a request that no operation gets."""
    if name == ANY:
        return True
    if operation is None:
        return False
    kind = type(operation.kind).__name__.lower()
    return name in (operation.operation_id, kind, "read" if operation.reads else "write")


def _check(fault: Fault, served: list[Vendor], place: str) -> None:
    """Raise `UsageError` with the place of a fault that can change no answer of these vendors."""
    if mistake := _mistake(fault, served):
        raise UsageError(f"{place}: {mistake}")


def _mistake(fault: Fault, served: list[Vendor]) -> str:
    """Why a fault can change no answer of these vendors; empty if it can."""
    vendors = [vendor for vendor in served if fault.vendor in ("", vendor.name)]
    if not vendors:
        return effects.no_such("vendor", fault.vendor, [vendor.name for vendor in served])
    operations = [operation for vendor in vendors for operation in vendor.contract.operations]
    matching = [operation for operation in operations if is_meant(fault.operation, operation)]
    if fault.operation in _OPERATION_KINDS and not matching:
        whose = ", ".join(vendor.name for vendor in vendors)
        return f"no operation of {whose} is of the kind {fault.operation}"
    if fault.operation != ANY:
        if not matching:
            names = [operation.operation_id for operation in operations]
            return effects.no_such("operation", fault.operation, (*names, *_OPERATION_KINDS))
        parameters = list(dict.fromkeys(one.name for operation in matching for one in operation.parameters))
        for name in fault.where:
            if name not in parameters:
                return effects.no_such(f"parameter of {fault.operation}", name, parameters)
    accounts = dict.fromkeys(grant.account for vendor in vendors for grant in vendor.world.tokens.values())
    if fault.account and fault.account not in accounts:
        return effects.no_such("account", fault.account, accounts)
    mistakes = (effects.mistake_in(step, matching) for step in fault.steps)
    return next(filter(None, mistakes), "")


class _Entry:
    """A fault with its counters."""

    def __init__(self, fault: Fault, scenario: str = "", seed: int = 0) -> None:
        self.fault = fault
        self.scenario = scenario
        self._rng = Random(seed if fault.seed is None else fault.seed)  # noqa: S311 - the same for the same seed
        self._steps = fault.steps
        self.line = to_line(fault)
        self._used = 0
        self._begin(0)

    def _begin(self, number: int) -> None:
        self._number = number
        self._calls = self._times = 0
        self._since: float | None = None

    @property
    def _counts(self) -> tuple[int, int, int, int, float | None]:
        return self._used, self._number, self._calls, self._times, self._since

    @_counts.setter
    def _counts(self, counts: tuple[int, int, int, int, float | None]) -> None:
        self._used, self._number, self._calls, self._times, self._since = counts

    @property
    def _step(self) -> Step | None:
        return self._steps[self._number] if self._number < len(self._steps) else None

    def state(self, number: int) -> SetFault:
        return SetFault(number, self.fault, self.line, self._used, self._step is None, self.scenario)

    def matches(self, asked: MockRequest) -> bool:
        fault = self.fault
        return (
            self._step is not None
            and fault.vendor in ("", asked.mock.vendor.name)
            and is_meant(fault.operation, asked.operation)
            and fault.account in ("", asked.account)
            and all(asked.parameters.get(name) == str(value) for name, value in fault.where.items())
        )

    def choose(self, asked: MockRequest, lock: Lock, *, only_delays: bool = False) -> Chosen | None:
        """Count a matching call, and return the step to take for it."""
        now = asked.mock.now()
        while (step := self._step) and self._is_over(step, now):
            self._begin(self._number + 1)
        if step is None or not effects.applies(step, asked):
            return None
        before = self._counts
        self._calls += 1
        first, last = step.span
        if last is not None and self._calls > last:
            self._begin(self._number + 1)
            return self.choose(asked, lock, only_delays=only_delays)
        if self._calls < first or (only_delays and not step.only_delays):
            return None
        if step.chance < 1 and self._rng.random() >= step.chance:
            return None
        self._times += 1
        self._used += 1
        self._since = now if self._since is None else self._since
        until = None if step.lasts is None else self._since + step.lasts
        if step.times == self._times or last == self._calls:
            self._begin(self._number + 1)
        after = self._counts

        def take_back() -> None:
            with lock:
                if self._counts == after:  # no other request was counted in the meantime
                    self._counts = before

        return Chosen(step, Random(self._rng.random()), until, take_back)  # noqa: S311 - as above

    def _is_over(self, step: Step, now: float) -> bool:
        """Whether the window of a step has passed, also when a test turned the clock back."""
        if step.lasts is None or self._since is None:
            return False
        return not self._since <= now < self._since + step.lasts
