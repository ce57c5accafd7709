"""The reports of a run of the suite: collected from the tests of all workers, and written at its end.

With a baseline, its stale entries are known only then.

It is a plugin of its own, which is registered only if an option asks for it. It is not in the suite's package, for the
main process of pytest-xdist writes the reports, and imports no test.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from functools import cached_property, partial
from typing import Any

import pytest

from trunkline.check.baseline import Baseline, read_baseline
from trunkline.check.runner import NOT_ALLOWED, NOT_REACHED, note_unreached, steps
from trunkline.check.stateful.script import script
from trunkline.contract.requests import operations_named
from trunkline.errors import TrunklineError
from trunkline.findings import Grade, Report
from trunkline.mock.loader import Vendor
from trunkline.plugin.options import spelled
from trunkline.redaction import printable
from trunkline.report import titles
from trunkline.report.files import write_files
from trunkline.report.github import publish
from trunkline.report.run import RunInfo, documented_answers
from trunkline.settings import Settings, required_operations

_OUTPUT = "trunkline report"


class SuiteReports:
    """Collects the reports of the tests of one vendor, and writes one at the end."""

    def __init__(self, settings: Settings, load: Callable[[str], Vendor]) -> None:
        self._settings = settings
        self._load = load
        self._parts: list[Report] = []
        """The reports of this process, which may still grow."""
        self._merged = Report()
        """The reports of other processes."""
        self._base = ""
        self._tests_ran = False
        self._annotations = ""
        self._error = ""
        """Why the run fails."""
        self._baseline_lines: list[str] = []
        """The entries of the baseline that no finding needs any more, or how the file was brought up to date."""

    @cached_property
    def baseline(self) -> Baseline | None:
        """The baseline of the run, which is read once in each process."""
        file, may_be_new = self._settings.baseline, self._settings.update_baseline
        return (
            read_baseline(file, self._load(self._settings.vendor[0]).contract, may_be_new=may_be_new) if file else None
        )

    def add(self, report: Report, base: str) -> None:
        """Add a report, which may be filled later, about the implementation at an address."""
        self._parts.append(report)
        self._base = base

    def skip(self, operation: str, check: str, reason: str) -> None:
        """Note why a check was not exercised."""
        self._parts.append(Report(exercised={(operation, check): reason}))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Note that this is not a run that only lists something."""
        self._tests_ran = not session.config.option.collectonly

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Add what a worker of pytest-xdist has collected."""
        if data := getattr(node, "workeroutput", {}).get(_OUTPUT):
            report, base = pickle.loads(data)  # noqa: S301 - a process of this run made it
            self._merged.merge(report)
            self._base = base or self._base

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the reports, after the implementation was cleaned up."""
        output = getattr(session.config, "workeroutput", None)
        if output is not None:
            report = Report()
            self._fill(report)
            output[_OUTPUT] = pickle.dumps((report, self._base))
        elif self._tests_ran:
            try:
                self._write(session)
            except TrunklineError as error:
                self._error = spelled(str(error))
                if session.exitstatus == pytest.ExitCode.OK:
                    session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _fill(self, report: Report) -> None:
        for part in (self._merged, *self._parts):
            report.merge(part)

    def _write(self, session: pytest.Session) -> None:
        settings, report = self._settings, Report()
        contract = self._load(settings.vendor[0]).contract
        operations = operations_named(settings.operation, contract.operations) or contract.operations
        writing = {} if settings.allow_writes else {found.operation_id for found in operations if not found.reads}
        for step in steps(operations):
            report.exercised[step] = spelled(NOT_ALLOWED) if step[0] in writing else NOT_REACHED
        self._fill(report)
        note_unreached(report, operations, writes=settings.allow_writes)
        if session.shouldstop or session.shouldfail or session.exitstatus == pytest.ExitCode.INTERRUPTED:
            why = session.shouldstop or session.shouldfail or "it was interrupted"
            report.stopped = report.stopped or str(why)
        run = RunInfo(
            contract.vendor,
            self._base,
            settings.seed or 0,
            Grade(settings.strictness),
            complete=not report.stopped,
            documented=documented_answers(
                found for found in operations if found.reads or settings.allow_writes or settings.operation
            ),
            named=frozenset(settings.operation),
            required=required_operations(settings.require, [found.operation_id for found in operations]),
            secrets=frozenset(contract.secrets),
            script=partial(script, contract, base=self._base),
            contract=contract,
        )
        if self.baseline and not settings.update_baseline:
            self.baseline.note_stale(report)
            self._baseline_lines = [f"{titles.STALE} {report.redact(line)}" for line in report.stale]
        self._annotations = publish(report, run)
        write_files(report, run, settings.report)
        if self.baseline and settings.update_baseline:
            self._baseline_lines = [report.redact(self.baseline.update(report, run.strictness))]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the annotations, and name the files, or say why there is none."""
        terminalreporter.ensure_newline()
        terminalreporter.write(self._annotations)
        if self._error:
            terminalreporter.write_line(f"FAIL {self._error}", red=True, bold=True)
        for line in self._baseline_lines:
            terminalreporter.write_line(printable(line))
        if self._tests_ran and self._settings.report and not self._error:
            names = ", ".join(file for _, file in self._settings.report)
            terminalreporter.write_line(f"trunkline wrote its report to {names}")
