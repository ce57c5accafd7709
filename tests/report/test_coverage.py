"""Tests of `trunkline.report.coverage`: the numbers, the table and the document."""

from __future__ import annotations

import pytest

import trunkline
from trunkline.mock.coverage import ClientAnswer, measure
from trunkline.report.coverage import Total, document, table

CONTRACT = trunkline.load("telepath").contract


@pytest.mark.parametrize(
    ("met", "counted", "percent", "reached", "missed"),
    [
        (0, 0, 0.0, 0, 0.1),
        (7, 10, 70.0, 70, 70.1),
        (2, 3, 66.6, 66.6, 66.7),
        (1999, 2000, 99.9, 99.95, 100),
        (3, 3, 100.0, 100, 100.1),
    ],
)
def test_a_percentage_is_rounded_down(met: int, counted: int, percent: float, reached: float, missed: float) -> None:
    """So 100% means all. A bound is compared with the exact value."""
    found = Total(met, counted)
    assert found.percent == percent
    assert found.reaches(reached)
    assert not found.reaches(missed)


def test_the_table_names_what_is_missing() -> None:
    """One line for each operation, then the total, and what was met and does not count."""
    answers = [
        ClientAnswer("telepath", "listTrunks", 200),
        ClientAnswer("telepath", "listTrunks", 503, code="SERVICE_UNAVAILABLE"),
    ]
    lines = [*table([measure(CONTRACT, answers)])]
    assert lines[0] == "Operation             Answers  Missed   Cover   Missing"
    everywhere = "401 INVALID_API_KEY, 429 RATE_LIMIT_EXCEEDED"
    assert lines[2:4] == [
        f"telepath listTrunks         4       3     25%   400 INVALID_PARAMS, {everywhere}",
        f"telepath createTrunk        4       4      0%   never asked: 2XX, 400 MISSING_REQUIRED, {everywhere}",
    ]
    assert lines[8:] == [
        "TOTAL                      20      19      5%",
        "not counted, as no page documents it: telepath listTrunks 503",
    ]


def test_a_complete_operation_has_nothing_missing() -> None:
    """The last column of its line is empty."""
    coverage = measure(CONTRACT, [])
    answers = [
        ClientAnswer("telepath", "getCall", int(outcome.status), next(iter(outcome.causes), ""))
        for outcome in coverage.operations[-1].outcomes
    ]
    lines = [*table([measure(CONTRACT, answers)])]
    assert lines[6] == "telepath getCall            4       0    100%"


def test_the_document_has_each_answer() -> None:
    """With its status, code, causes and page; and the numbers of operation, vendor and run."""
    found = document([measure(CONTRACT, [ClientAnswer("telepath", "listTrunks", 400, "parameter_out_of_range")])])
    assert [*found] == ["format", "trunkline", "percent", "met", "counted", "vendors"]
    assert (found["percent"], found["met"], found["counted"]) == (5.0, 1, 20)
    vendor = found["vendors"]["telepath"]
    assert (vendor["percent"], vendor["met"], vendor["counted"]) == (5.0, 1, 20)
    operation = vendor["operations"]["listTrunks"]
    answers = operation.pop("answers")
    assert operation == {
        "method": "GET", "path": "/trunks", "asked": True, "percent": 25.0, "met": 1, "counted": 4, "not_counted": []
    }  # fmt: skip
    assert [(answer["status"], answer["code"], answer["met"]) for answer in answers] == [
        ("200", None, False),
        ("400", "INVALID_PARAMS", True),
        ("401", "INVALID_API_KEY", False),
        ("429", "RATE_LIMIT_EXCEEDED", False),
    ]
    assert answers[1]["causes"] == {
        "parameter_out_of_range": True,
        "parameter_malformed": False,
        "parameter_not_allowed": False,
        "parameter_repeated": False,
    }
    assert (answers[1]["grade"], answers[1]["page"][:8]) == ("documented", "https://")
