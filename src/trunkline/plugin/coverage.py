"""The coverage of the user's client in a run: collected from the mocks of all workers, printed, and held to a bound.

It is a plugin of its own, which is registered only if an option asks for it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trunkline.errors import TrunklineError, reason_of
from trunkline.findings import Grade
from trunkline.mock.coverage import ClientAnswer, Coverage, measure
from trunkline.mock.loader import Vendor
from trunkline.mock.request_log import RecordedRequest
from trunkline.report.coverage import document, table, total_of
from trunkline.settings import Settings
from trunkline.transport.files import replace_file

_OUTPUT = "trunkline coverage"


class ClientCoverage:
    """Collects the answers of the mocks, and tells at the end which documented ones there were."""

    def __init__(self, settings: Settings, load: Callable[[str], Vendor]) -> None:
        self._settings = settings
        self._load = load
        self._met: set[ClientAnswer] = set()
        self._coverages: list[Coverage] = []
        self._tests_ran = False
        self._errors: list[str] = []
        """Why the run fails."""

    def add(self, request: RecordedRequest) -> None:
        """Add the answer to a request, from any thread."""
        self._met.add(ClientAnswer.of(request))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Note that this is not a run that only lists something."""
        self._tests_ran = not session.config.option.collectonly

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Add what a worker of pytest-xdist has collected."""
        self._met.update(ClientAnswer(*met) for met in getattr(node, "workeroutput", {}).get(_OUTPUT, ()))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the JSON document, and end with 1 instead of 0 if the coverage is too low."""
        answers = frozenset(self._met)  # a copy: an answer may still be on its way
        if (output := getattr(session.config, "workeroutput", None)) is not None:
            output[_OUTPUT] = [tuple(answer) for answer in answers]
        elif self._tests_ran:
            self._measure(answers)
            self._write()
            self._require()
            if self._errors and session.exitstatus == pytest.ExitCode.OK:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _measure(self, answers: frozenset[ClientAnswer]) -> None:
        asked = sorted({answer.vendor for answer in answers})
        for name in dict.fromkeys(self._settings.vendor or asked):
            try:
                contract = self._load(name).contract
            except TrunklineError as error:
                self._errors.append(str(error))
            else:
                self._coverages.append(measure(contract, answers, Grade(self._settings.strictness)))

    def _write(self) -> None:
        if file := self._settings.coverage_json:
            try:
                replace_file(Path(file), f"{json.dumps(document(self._coverages), indent=2)}\n".encode())
            except OSError as error:
                self._errors.append(f"{file} cannot be written: {reason_of(error)}")

    def _require(self) -> None:
        required, found = self._settings.coverage_fail_under, total_of(self._coverages)
        if required is not None and not found.reaches(required):
            self._errors.append(f"client coverage is {found.percent:g}%, and {required:g}% is required")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the table, or why there is none."""
        if not self._tests_ran:
            return
        terminalreporter.section("trunkline: client coverage")
        for line in table(self._coverages) if self._coverages else ():
            terminalreporter.write_line(line)
        if not (self._coverages or self._settings.vendor):
            terminalreporter.write_line("no test has sent a request to a mock")
        for error in self._errors:
            terminalreporter.write_line(f"FAIL {error}", red=True, bold=True)
