"""Count what a validating proxy passes and judges, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, generate_latest

TOO_LARGE, BEHIND, BROKEN_OFF, FAILED = "too_large", "behind", "broken_off", "failed"
UNANSWERED = "unanswered"
NO_OPERATION, UNJUDGEABLE = "no_operation", "unjudgeable"
REASONS = {
    BEHIND: "judging could not keep up",
    TOO_LARGE: "a body has more than 1 MiB",
    BROKEN_OFF: "the answer broke off or came before the whole request, or the client left",
    UNANSWERED: "the API gave no answer",
    FAILED: "judging failed",
    NO_OPERATION: "the contract has no such operation, or --operation does not name it",
    UNJUDGEABLE: "a redirection, or a body that cannot be decoded or is beyond the limits of trunkline",
}
"""Why an exchange is not judged."""

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


# Otherwise each series has a second one, with the time at which it began.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """The metrics of one proxy. Any thread may count."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "trunkline_requests",
            "Requests, by operation (empty for one that the contract does not have) and status (empty if the client"
            " has gone before).",
            ("operation", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "trunkline_request_duration_seconds",
            "Seconds from the arrival of a request to the end of its answer.",
            ("operation",),
            registry=self._registry,
        )
        self._findings = Counter(
            "trunkline_findings", "Findings, by rule and grade of evidence.", ("rule", "grade"), registry=self._registry
        )
        self._judged = Counter("trunkline_judged", "Exchanges that were judged.", registry=self._registry)
        self._not_judged = Counter(
            "trunkline_not_judged", "Exchanges that were not judged, by reason.", ("reason",), registry=self._registry
        )
        self.unjudged = dict.fromkeys(REASONS, 0)
        """The number of exchanges that were not judged, by reason."""
        for reason in self.unjudged:
            self._not_judged.labels(reason)  # so that it is there with 0
        self.requests = 0
        """The number of requests so far."""

    def passed(self, operation: str, status: int, seconds: float) -> None:
        """Count a request and its answer."""
        self.requests += 1
        self._requests.labels(operation, status or "").inc()
        self._seconds.labels(operation).observe(seconds)

    def judged(self, rules: tuple[tuple[str, str], ...]) -> None:
        """Count a judged exchange, and its findings: the rule and the grade of each."""
        self._judged.inc()
        for rule, grade in rules:
            self._findings.labels(rule, grade).inc()

    def not_judged(self, reason: str) -> None:
        """Count an exchange that is not judged."""
        self.unjudged[reason] += 1
        self._not_judged.labels(reason).inc()

    def to_text(self) -> bytes:
        """All metrics in the text format of Prometheus."""
        return generate_latest(self._registry)
