"""Tests of `trunkline.mock.coverage`: which documented answers a client has met."""

from __future__ import annotations

import pytest

import trunkline
from trunkline import Request
from trunkline.findings import Grade
from trunkline.mock.coverage import ClientAnswer, Coverage, OperationCoverage, measure
from trunkline.mock.recording import RecordingMock

TELEPATH = trunkline.load("telepath").contract
TALKOVER = trunkline.load("talkover").contract


def of(coverage: Coverage, operation_id: str) -> OperationCoverage:
    """The coverage of one operation."""
    return next(found for found in coverage.operations if found.operation.operation_id == operation_id)


def met(found: OperationCoverage) -> list[str]:
    """The outcomes that were met, as text."""
    return [str(outcome) for outcome in found.outcomes if outcome.met]


def test_nothing_is_met_without_a_request() -> None:
    """All operations and all documented answers are missing."""
    coverage = measure(TELEPATH, [])
    assert [found.operation for found in coverage.operations] == [*TELEPATH.operations]
    assert not any(found.asked or found.others or met(found) for found in coverage.operations)
    assert [*map(str, of(coverage, "listTrunks").missing)] == [
        "200", "400 INVALID_PARAMS", "401 INVALID_API_KEY", "429 RATE_LIMIT_EXCEEDED"
    ]  # fmt: skip


def test_the_answers_of_a_mock_are_recognized() -> None:
    """Success, and each refusal by its cause; another vendor's answers and unknown paths change nothing."""
    mock = RecordingMock(trunkline.load("telepath"))
    credential = (("authorization", f"Bearer {mock.token}"), ("content-type", "application/json"))
    mock(Request("GET", "/trunks", "", credential))
    mock(Request("GET", "/trunks", "limit=0", credential))
    mock(Request("GET", "/trunks"))
    mock(Request("HEAD", "/calls", "", credential))
    mock(Request("GET", "/nowhere", "", credential))
    mock(Request("POST", "/trunks", "", credential, b"{}"))
    mock.rate_limit = 0
    mock(Request("GET", "/calls/call_1", "", credential))
    other = ClientAnswer("talkover", "getCall", 404, "id_unknown")
    coverage = measure(TELEPATH, [other, *map(ClientAnswer.of, mock.requests)])
    asked = {found.operation.operation_id: met(found) for found in coverage.operations if found.asked}
    assert asked == {
        "listTrunks": ["200", "400 INVALID_PARAMS", "401 INVALID_API_KEY"],
        "createTrunk": ["400 MISSING_REQUIRED"],
        "getCall": ["429 RATE_LIMIT_EXCEEDED"],
    }
    (refused,) = (found for found in of(coverage, "listTrunks").outcomes if found.code == "INVALID_PARAMS")
    assert [cause for cause, was_met in refused.causes.items() if was_met] == ["parameter_out_of_range"]
    assert len(refused.causes) == 4


@pytest.mark.parametrize(
    ("answer", "outcomes"),
    [
        (ClientAnswer("telepath", "createTrunk", 201), ["2XX"]),
        (ClientAnswer("telepath", "createTrunk", 400, code="MISSING_REQUIRED"), ["400 MISSING_REQUIRED"]),
        (ClientAnswer("telepath", "createTrunk", 429, code="RATE_LIMIT_EXCEEDED"), ["429 RATE_LIMIT_EXCEEDED"]),
        (ClientAnswer("telepath", "createTrunk", 0), []),
    ],
)
def test_an_answer_without_a_cause_is_recognized(answer: ClientAnswer, outcomes: list[str]) -> None:
    """A range of statuses, and the answers of faults by their error code."""
    found = of(measure(TELEPATH, [answer]), "createTrunk")
    assert (found.asked, met(found), found.others) == (True, outcomes, ())


@pytest.mark.parametrize(
    ("answer", "other"),
    [
        (ClientAnswer("telepath", "createTrunk", 503, code="SERVICE_UNAVAILABLE"), "503"),
        (ClientAnswer("telepath", "createTrunk", 409, "not_unique"), "409 SIP_USERNAME_TAKEN"),
        (ClientAnswer("telepath", "createTrunk", 400, "field_mistyped"), "400 INVALID_PARAMS"),
        (ClientAnswer("telepath", "createTrunk", 400), "400"),
        (ClientAnswer("telepath", "createTrunk", 400, code="RATE_LIMIT_EXCEEDED"), "400"),
        (ClientAnswer("telepath", "createTrunk", 418), "418"),
    ],
)
def test_what_no_page_documents_does_not_count(answer: ClientAnswer, other: str) -> None:
    """It is listed apart."""
    found = of(measure(TELEPATH, [answer]), "createTrunk")
    assert (met(found), found.others) == ([], (other,))


def test_the_grade_decides_what_counts() -> None:
    """A 404 that is only customary counts at that strictness; one that is our decision never does."""
    answer = ClientAnswer("talkover", "getSipTrunk", 404, "id_unknown")
    implied, customary = (of(measure(TALKOVER, [answer], grade), "getSipTrunk") for grade in list(Grade)[1:3])
    assert (met(implied), implied.others) == ([], ("404 TRUNK_NOT_FOUND",))
    assert (met(customary), customary.others) == (["404 TRUNK_NOT_FOUND"], ())
    assert "404 NOT_FOUND" not in map(str, customary.outcomes), "a request with an unknown path reaches no operation"
    documented = measure(TELEPATH, [], Grade.DOCUMENTED)
    assert [*map(str, of(documented, "createTrunk").outcomes)] == ["400 MISSING_REQUIRED", "401 INVALID_API_KEY"]


def test_the_answers_of_faults_are_recognized() -> None:
    """A documented one counts, whoever asked for it; a mistake in the request for a fault is trunkline's own answer."""
    mock = RecordingMock(trunkline.load("telepath"))
    for name, value in (
        ("prefer", "code=503"),
        ("prefer", "code=429"),
        ("x-trunkline-fault", "INVALID_API_KEY"),
        ("x-trunkline-fault", "400 message=INVALID_PARAMS"),
        ("x-trunkline-fault", "400 body=INVALID_API_KEY retry-after=1"),
        ("x-trunkline-fault", "nonsense"),
    ):
        mock(Request("POST", "/trunks", "", ((name, value),), b"{}"))
    found = of(measure(TELEPATH, [*map(ClientAnswer.of, mock.requests)]), "createTrunk")
    assert met(found) == ["400 MISSING_REQUIRED", "401 INVALID_API_KEY", "429 RATE_LIMIT_EXCEEDED"]
    assert [request.code for request in mock.requests] == [
        "SERVICE_UNAVAILABLE", "RATE_LIMIT_EXCEEDED", "INVALID_API_KEY", "MISSING_REQUIRED", "", ""
    ]  # fmt: skip
    assert found.others == ("400", "503")


@pytest.mark.parametrize("contract", [TELEPATH, TALKOVER], ids=["telepath", "talkover"])
def test_each_outcome_can_be_met(contract: trunkline.contract.model.Contract) -> None:
    """By the cause of a refusal, or by the status of a success."""
    everything = measure(contract, [], Grade.CUSTOMARY)
    answers = [
        ClientAnswer(contract.vendor, found.operation.operation_id, int(outcome.status.replace("X", "0")), cause)
        for found in everything.operations
        for outcome in found.outcomes
        for cause in outcome.causes or [""]
    ]
    complete = measure(contract, answers, Grade.CUSTOMARY)
    assert not any(found.missing or found.others for found in complete.operations)
    assert all(all(outcome.causes.values()) for found in complete.operations for outcome in found.outcomes)
