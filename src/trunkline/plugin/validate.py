"""The fixture and the marker `trunkline_validate`: what the HTTP client of a test gets from a vendor's host is judged.

`plugin.clients` sees the responses, `plugin.answers` judges them. Every pytest run imports this module, so the rest of
what it needs is imported with the first test that asks for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from trunkline.contract.folders import names
from trunkline.errors import UsageError
from trunkline.report import titles
from trunkline.settings import GRADE, Settings

if TYPE_CHECKING:
    from trunkline.mock.loader import Vendor
    from trunkline.mock.request_log import RecordedRequest
    from trunkline.plugin.answers import Answers

NAME = "trunkline_validate"
"""The name of the fixture and of the marker."""

MARKER_HELP = (
    f"{NAME}(enabled=True, *, vendor=NAME, strictness=GRADE, ignore=[RULE, ...]): judge what the HTTP client of a test "
    "gets from the hosts of the vendors, or of one; False makes an exception."
)

_JUDGED, _NOT_JUDGED = "trunkline_judged", "trunkline_not_judged"
"""The properties of a test's report: the number of answers that were judged, and a reason for each other one."""


class AnswerValidation:
    """A plugin of pytest's for the tests that ask for the fixture. `load` gives a vendor by name."""

    def __init__(self, settings: Settings, load: Callable[[str], Vendor]) -> None:
        self._settings = settings
        self._load = load
        self._mocks: dict[str, str] = {}
        self._answers: Answers | None = None
        self._undo = ExitStack()
        self._judged = Counter[bool]()
        """The number of tests by whether an answer was judged in them."""
        self._number = 0
        self._not_judged = Counter[str]()

    @pytest.fixture(name=NAME)
    def fixture(self) -> Answers:
        """Judge what the test's HTTP client gets from a vendor's host: .findings, .judged and .clear()."""
        return self._answers or self._begin()

    def add_mock(self, vendor: str, url: str) -> None:
        """Judge the answers of a mock, by its base address, as those of its vendor's host."""
        self._mocks[url] = vendor

    def leave_out(self, request: RecordedRequest) -> None:
        """Leave out the answer to a request to a mock, as `Answers.leave_out` does."""
        if self._answers:
            self._answers.leave_out(request)

    def end_test(self) -> None:
        """Undo what was changed in the clients."""
        self._undo.close()
        self._answers = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Begin before any fixture of the test, if its answers are to be judged."""
        self.end_test()
        is_named = NAME in getattr(item, "fixturenames", ())
        enabled = self._settings.validate or is_named
        given: dict[str, Any] = {}
        try:
            for mark in reversed([*item.iter_markers(NAME)]):
                _check_marker(mark)
                enabled = mark.args[0] if mark.args else True
                given |= mark.kwargs
            if enabled or is_named:
                self._begin(is_watched=bool(enabled), **given)
        except UsageError as error:
            raise pytest.fail.Exception(f"{item.nodeid}: {error}", pytrace=False) from None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self) -> Generator[None, Any, Any]:
        """Fail the test for the findings about what it got, or add them to its failure."""
        with self._reporting():
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Report the findings about what fixtures got when they ended."""
        try:
            with self._reporting():
                return (yield)
        finally:
            if self._answers:
                item.user_properties.append((_JUDGED, self._answers.judged))
                item.user_properties += [(_NOT_JUDGED, reason) for reason in self._answers.not_judged]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count what was judged, in whichever process the test ran."""
        for name, value in report.user_properties if report.when == "teardown" else ():
            if name == _JUDGED:
                self._judged[bool(value)] += 1
                self._number += int(str(value))
            elif name == _NOT_JUDGED:
                self._not_judged[str(value)] += 1

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say how many answers were judged, since a test that got none passes too."""
        if tests := self._judged.total():
            answers = f"{self._number or 'no'} answer{'' if self._number == 1 else 's'}"
            terminalreporter.write_line(f"{NAME}: judged {answers}, in {self._judged[True]} of {tests} tests")
        for reason, count in self._not_judged.items():
            times = f" ({count} times)" if count > 1 else ""
            terminalreporter.write_line(f"{titles.NOT_JUDGED} {reason}{times}")

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            if self._answers and (text := self._answers.take_failures()):
                error.add_note(text)
            raise
        if self._answers and (text := self._answers.take_failures()):
            raise pytest.fail.Exception(text, pytrace=False)

    def _begin(
        self,
        *,
        is_watched: bool = True,
        vendor: object = None,
        strictness: object = None,
        ignore: Any = (),
    ) -> Answers:
        """Begin to take the responses of the test that runs. Raises `UsageError` for a wrong name."""
        from trunkline.check.rules import RULES  # noqa: PLC0415 - see the module's docstring
        from trunkline.plugin.answers import Answers  # noqa: PLC0415
        from trunkline.plugin.clients import noting  # noqa: PLC0415

        _check("vendor", [] if vendor is None else [vendor], names())
        _check("strictness", [] if strictness is None else [strictness], GRADE.choices)
        ignored = ignore if isinstance(ignore, list | tuple | set) else [ignore]
        _check("ignore", ignored, [rule.name for rule in RULES])
        chosen = (vendor,) if vendor else self._settings.vendor or names()
        grade = str(strictness or self._settings.strictness)
        self._answers = Answers(lambda url: self._vendor_at(url, chosen), grade, {*ignored})
        if is_watched:
            self._undo.enter_context(noting(self._answers.add))
        return self._answers

    def _vendor_at(self, url: str, chosen: tuple[object, ...]) -> Vendor | None:
        """The vendor whose real host, or whose mock, an address is at."""
        from trunkline.contract.http import plain_host  # noqa: PLC0415 - see the module's docstring

        at_mock = (vendor for base, vendor in self._mocks.items() if url.startswith(f"{base}/"))
        with suppress(ValueError):  # an address that is none
            name = next(at_mock, "") or self._hosts.get(plain_host(urlsplit(url).hostname or ""), "")
            return self._load(name) if name in chosen else None
        return None

    @cached_property
    def _hosts(self) -> dict[str, str]:
        """The vendors' real hosts, each with its vendor."""
        from trunkline.plugin.hosts import vendors_by_host  # noqa: PLC0415 - see the module's docstring

        return vendors_by_host(self._load)


def _check_marker(mark: pytest.Mark) -> None:
    unknown = mark.kwargs.keys() - {"vendor", "strictness", "ignore"}
    if [*mark.args] not in ([], [True], [False]) or unknown:
        raise UsageError(f"the marker {NAME} takes True or False, and the keywords vendor, strictness and ignore")


def _check(keyword: str, given: Iterable[object], known: Sequence[str]) -> None:
    for name in given:
        if name not in known:
            raise UsageError(f"{NAME}: {keyword} names {name!r}; there are: {', '.join(known)}")
