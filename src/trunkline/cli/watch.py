"""`trunkline watch`: ask an API again and again, until something new appears."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Event

from trunkline.check.history import HISTORY, History, Observation, open_history
from trunkline.check.user_folders import state_file
from trunkline.check.watch import Round, Schedule, Scope
from trunkline.check.watch import watch as rounds_of
from trunkline.cli import output
from trunkline.cli.interruption import stop_signals
from trunkline.cli.output import FINDINGS, INTERRUPTED, SUCCESS
from trunkline.contract.requests import check_parameters, operations_named
from trunkline.errors import TargetError, UsageError
from trunkline.exchange import Request
from trunkline.findings import Grade
from trunkline.mock import loader
from trunkline.mock.loader import Vendor
from trunkline.redaction import redactor
from trunkline.report import terminal
from trunkline.report.watch import document, observation_lines, panel, round_line
from trunkline.settings import CONNECTION, Settings
from trunkline.transport import targets
from trunkline.transport.connect import Connection, connect, redacting_errors
from trunkline.transport.webhook import Webhook, webhook

_EVERY = 300.0
_TICK = 1.0
"""The seconds after which the screen shows again how long it is to the next round."""


def watch(settings: Settings, vendor: str) -> int:
    """Ask in rounds, show each, and tell what is new."""
    loaded = loader.load(vendor)
    operations = operations_named(settings.operation, loaded.contract.operations)
    if writing := [found.operation_id for found in operations if not found.reads]:
        raise UsageError(f"{', '.join(writing)} writes, and a watch only reads; leave it out")
    check_parameters([name for name, _ in settings.param], operations or loaded.contract.operations, "path")
    hook = webhook(settings.webhook, timeout=settings.timeout) if settings.webhook else None
    with ExitStack() as stack:
        stopped = stack.enter_context(stop_signals())
        screen = stack.enter_context(terminal.screen())
        try:
            connection = _connect(settings, loaded, screen.progress)
            stack.enter_context(redacting_errors(redactor(connection.secrets)))
            path = _history_file(settings, vendor, connection)
            history = stack.enter_context(open_history(path, vendor, connection.base))
            rounds = "1 earlier round" if history.rounds == 1 else f"{history.rounds} earlier rounds"
            known = f", after {rounds}" if history.rounds else ""
            screen.progress(f"watching {vendor} at {connection.name}{known}{f'; history: {path}' if path else ''}")
            return _Watch(settings, loaded, history, connection, hook, screen, stopped).run()
        except KeyboardInterrupt:
            return INTERRUPTED


@dataclass(slots=True, repr=False)
class _Watch:
    """One run of the command."""

    _settings: Settings
    _vendor: Vendor
    _history: History
    _connection: Connection
    _hook: Webhook | None
    _screen: terminal.Screen
    _stopped: Event
    _latest: Round | None = None

    def run(self) -> int:
        settings = self._settings
        ends = settings.on_new == "exit" or (settings.on_new is None and self._hook is None)
        schedule = Schedule(settings.every or _EVERY, settings.rounds, sleep=self._sleep)
        scope = Scope(settings.operation, dict(settings.param), Grade(settings.strictness))
        new_connection = partial(_connect, settings, self._vendor, self._screen.progress)
        code, shown = SUCCESS, set[str]()
        for found in rounds_of(self._vendor, new_connection, self._history, schedule, scope):
            self._latest = found
            self._screen.show([round_line(found)])
            for observation in found.observations if found.number == 1 else ():
                self._screen.show(observation_lines(observation, new=False))
            news = self._history.news  # also what an earlier round could not tell
            for observation in news:
                if observation.key not in shown:
                    self._screen.show(observation_lines(observation))
                shown.add(observation.key)
            if news:
                code = FINDINGS
                self._tell(found, news)
            if news and ends:
                return code
        if self._latest and self._latest.problem and code == SUCCESS:
            raise TargetError(self._latest.problem)
        return code

    def _tell(self, found: Round, news: tuple[Observation, ...]) -> None:
        """Tell the webhook what is new; without one, the lines on the screen are enough."""
        if self._hook is not None:
            try:
                self._hook.post(document(self._vendor.name, self._connection.base, found, news))
            except TargetError as error:
                self._screen.progress(f"{error}; it is tried again after the next round")
                return
        self._history.tell(news)

    def _sleep(self, seconds: float) -> None:
        """Wait, and show how long."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if self._latest:
                self._screen.panel(panel(self._latest, self._history, self._connection.name, left))
            time.sleep(min(_TICK, left) if self._screen.is_live else left)
            if self._stopped.is_set():  # Python drops an exception that is raised in a destructor
                raise KeyboardInterrupt


def _connect(settings: Settings, vendor: Vendor, say: Callable[[str], None]) -> Connection:
    """A connection that heeds the rate limit, with a budget for one round."""

    def waiting(_: Request, seconds: float) -> None:
        say(output.WAITING.format(seconds))

    def spent(_: Request, seconds: float) -> None:
        say(f"the rate limit is spent: waiting {seconds:.3g} s before asking again")

    connection = connect(vendor, **settings.only(CONNECTION), waiting=waiting)
    limit = vendor.contract.rate_limit
    polite = targets.heeding_limit(connection.target, limit, max_wait=settings.max_wait, waiting=spent)
    return replace(connection, target=polite)


def _history_file(settings: Settings, vendor: str, connection: Connection) -> Path | None:
    """The file of the history; none for what ends with this process, unless one is named."""
    if settings.history:
        return Path(settings.history)
    return state_file(f"watch-{vendor}", connection.base, "db", HISTORY.use_another) if connection.live else None
