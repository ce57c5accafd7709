"""`trunkline proxy`: pass requests on to an API, and judge what it answers, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import logging
import socket
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from threading import Timer

from trunkline.cli import output
from trunkline.cli.listening import announce, certificates, logged
from trunkline.errors import UsageError
from trunkline.exchange import Json
from trunkline.findings import Excuse, Grade, Identity, Report
from trunkline.mock import loader
from trunkline.report import FORMATS
from trunkline.report.run import RunInfo
from trunkline.settings import Settings
from trunkline.traffic.proxied import ProxyJudge, Upstreams
from trunkline.transport import access, server
from trunkline.transport.addresses import is_loopback
from trunkline.transport.client import Address, address
from trunkline.transport.judging import Judging, RawExchange, Verdict
from trunkline.transport.metrics import BEHIND, FAILED, REASONS, Metrics
from trunkline.transport.proxy_status import status_application
from trunkline.transport.validating_proxy import ValidatingProxy
from trunkline.transport.worker import Worker, WorkerEnded, WorkerFailed

log = logging.getLogger("trunkline.cli.proxy")

_MOST_JUDGING = 30.0
"""The seconds of the processor that judging may take, for the exchanges that are judged together."""
_CLOSING_TIMEOUT = 10.0
"""The seconds that judging has to come to its end."""
_LONGEST_END = 60.0
"""The seconds after which the process that judges is killed, if it still judges its last exchanges."""


def proxy(settings: Settings, vendor: str) -> int:
    """Pass requests on and judge the answers until Ctrl-C or SIGTERM; then show the report."""
    if settings.upstream is None:
        raise UsageError("name the API that answers with --upstream, such as --upstream https://api.example.com/v1")
    upstream, contract = address(settings.upstream), loader.load(vendor).contract
    if settings.admin_token is not None:
        access.check_token(settings.admin_token)
    settings = output.with_reports(settings)
    baseline = output.open_baseline(settings, contract)
    strictness, secrets = Grade(settings.strictness), frozenset(contract.secrets)
    run = RunInfo(vendor, upstream.base, None, strictness, secrets=secrets, contract=contract)
    metrics = Metrics()
    with (
        logged(settings),
        certificates(settings) as (context, _, ca),
        _listen(settings, upstream) as listener,  # before the judge, which makes the record
        _JudgeProcess(settings, vendor, upstream.base, baseline.excuses() if baseline else {}) as judge,
        Judging(judge, partial(_count, metrics)) as judging,
    ):

        def health() -> Json:
            counts = {"requests": metrics.requests, "waiting": judging.waiting, "not_judged": metrics.unjudged}
            return {"status": "ok", "vendor": vendor, "upstream": upstream.base, **counts}

        def findings() -> Future[str]:
            return judging.ask(lambda: FORMATS["json"](_completed(judge.report(), judge, metrics), run))

        app = ValidatingProxy(
            upstream,
            judging,
            metrics,
            status_application(metrics, health, findings, settings.admin_token),
            operation_id=Upstreams(contract, upstream.base).operation_id,
            timeout=settings.upstream_timeout,
            wait=settings.findings_wait,
            each=partial(log.info, "%s") if settings.verbose else lambda _: None,
        )
        server.serve_on(
            listener,
            app,
            on_ready=lambda url: _announce(url, vendor, upstream, settings, ca),
            tls=context,
        )
        with judge.ending(_LONGEST_END):
            for _ in range(judging.close(_CLOSING_TIMEOUT)):
                metrics.not_judged(BEHIND)
            report = _completed(judge.report(), judge, metrics)
    output.note_stale_entries(baseline, report, settings)
    output.show(report, run, settings)
    output.update_baseline(baseline, report, settings)
    return output.exit_code(report, run)


def _listen(settings: Settings, upstream: Address) -> socket.socket:
    """The socket of the proxy. Raises `UsageError` if there can be none, or if the upstream is there."""
    listener = server.listen(settings.host, settings.port)
    if upstream.port == listener.getsockname()[1] and (is_loopback(upstream.host) or upstream.host == settings.host):
        listener.close()
        raise UsageError(f"the upstream {upstream.name} is this proxy itself; name the API, or choose another --port")
    return listener


class _JudgeProcess:
    """The `ProxyJudge` in a process of its own. If that ends, another one is started."""

    def __init__(self, settings: Settings, vendor: str, base: str, excuses: Mapping[Identity, Excuse]) -> None:
        self._record = settings.record_file
        run = settings.strictness, settings.operation, excuses
        is_idle_work = settings.findings_wait is None  # else all answers wait for it
        self._begin: Callable[[str | None], Worker] = lambda record: Worker(
            ProxyJudge, vendor, base, record, *run, is_idle_work=is_idle_work
        )
        self._worker = self._begin(self._record)
        self._is_over = False
        """Whether the proxy is ending, so that a process that ends is not replaced."""
        self.lost = 0
        """How often the process ended, and what it had found was lost."""

    def __call__(self, exchanges: list[RawExchange]) -> list[Verdict]:
        try:
            verdicts: list[Verdict] = self._worker.call("judge_all", exchanges, seconds=_MOST_JUDGING)
        except WorkerEnded:
            self.lost += 1
            if self._is_over:
                raise
            record = self._record
            can_continue = record is not None and record.lower().endswith(".ndjson")
            log.warning(
                "judging took more than %g s of the processor, or its process ended; another one judges on%s",
                _MOST_JUDGING,
                "" if can_continue or record is None else f", and the record {record} ends here",
            )
            self._worker.close()
            self._record = record if can_continue else None
            self._worker = self._begin(self._record)
            raise
        return verdicts

    def report(self) -> Report:
        """The report of what was judged so far, or an empty one if it is lost."""
        try:
            found: Report = self._worker.call("report", seconds=_MOST_JUDGING)
        except (WorkerEnded, WorkerFailed):
            self.lost += 1
            return Report()
        return found

    @contextmanager
    def ending(self, seconds: float) -> Iterator[None]:
        """Kill the process if the block takes more than so many seconds: it may be stopped, or get no processor."""
        self._is_over = True
        timer = Timer(seconds, self._worker.kill)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def __enter__(self) -> _JudgeProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self._worker.close()


def _count(metrics: Metrics, _: RawExchange, verdict: Verdict | None) -> None:
    """Count a judged exchange, and log what is new in it."""
    if verdict is None:
        metrics.not_judged(FAILED)
    elif verdict.reason:
        metrics.not_judged(verdict.reason)
    else:
        metrics.judged(verdict.rules)
    for line in verdict.lines if verdict else ():
        log.log(logging.WARNING if verdict and verdict.reason else logging.INFO, "%s", line)


def _completed(report: Report, judge: _JudgeProcess, metrics: Metrics) -> Report:
    """The report with what only the proxy knows."""
    report.requests = metrics.requests
    unplaced = Counter({REASONS[reason]: count for reason, count in metrics.unjudged.items() if count})
    report.reading.unplaced, report.reading.skipped = unplaced, unplaced.total()
    if judge.lost:
        report.stopped = "judging was interrupted, and what it had found before is only in the log"
    elif not report.exercised:
        report.stopped = "no exchange that the contract describes has passed"
    return report


def _announce(url: str, vendor: str, upstream: Address, settings: Settings, ca: str | None) -> None:
    """Print the address for clients: for machines, then for people."""
    base, admin = url + upstream.path, f"{url}{access.RESERVED}"
    place = {"vendor": vendor, "url": base, "upstream": upstream.base, "metrics": f"{admin}/metrics"}
    lines = [f"\n{vendor}\n  url       {base}\n  upstream  {upstream.base}\n  findings  {admin}/findings"]
    if settings.record_file is not None:
        lines.append(f"  record    {settings.record_file}")
    lines.append("\nCtrl-C ends, and prints the report. Each new finding is explained here.")
    announce({**place, **({"ca": ca} if ca else {})}, settings, ca, exposed="send requests to the API", lines=lines)
