"""Tests of `trunkline.traffic.batch`: batches of rows, judged alike in any process and by an engine."""

from __future__ import annotations

import json
import os
import re
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

import trunkline
from tests.commands import run
from trunkline.contract import folders
from trunkline.errors import UsageError
from trunkline.exchange import Json
from trunkline.traffic import judge_batch
from trunkline.traffic.validation import validate_files

CANARY = "sk_live_CANARY0123456789abcdef"
URL = "https://api.telepathvoice.com/v1/trunks?limit={}"


def line(limit: int, *, shown: int | None = None, time: object = "2026-11-28T18:00:00Z") -> dict[str, Json]:
    """A row: an empty page, which shows another limit than that of the request if that is asked for."""
    page = {"trunks": [], "pagination": {"limit": limit if shown is None else shown, "offset": 0, "total": 0}}
    rates = {"X-RateLimit-Limit": "60", "X-RateLimit-Remaining": "59", "X-RateLimit-Reset": "1795888860"}
    sent = {"Authorization": f"Bearer {CANARY}"}
    return {
        "time": time,
        "request": {"method": "GET", "url": URL.format(limit), "headers": sent},
        "response": {"status": 200, "headers": {"Content-Type": "application/json", **rates}, "body": page},
    }


def found(rows: list[dict[str, Json]]) -> Counter[tuple[str, str]]:
    """How often each kind of result and its rule, or what it is about, are in the rows."""
    counts = Counter[tuple[str, str]]()
    for row in rows:
        counts[row["kind"], row["rule"] or row["message"]] += row["count"]
    return counts


def test_a_row_is_a_dict_or_a_line() -> None:
    """All forms of a row are judged alike."""
    right, wrong = line(1), line(2, shown=3)
    rows: list[Json] = [right, wrong, json.dumps(wrong), json.dumps(wrong).encode()]
    result = judge_batch(rows, "telepath")
    assert found(result) == {("judged", ""): 4, ("finding", "pagination_echoes_request"): 3}
    (finding,) = [row for row in result if row["kind"] == "finding"]
    assert (finding["row"], finding["at"], finding["grade"]) == ("1", "body/pagination/limit", "implied")
    assert finding["first"] == finding["last"] == datetime(2026, 11, 28, 18, tzinfo=UTC).timestamp()


def test_a_row_may_come_from_a_table() -> None:
    """There, a time may be a datetime, and a member that other rows have is None."""
    row = line(2, shown=3, time=datetime(2026, 11, 28, 18, tzinfo=UTC))
    row["request"]["headers"]["X-Other"] = None
    row["response"]["body_base64"] = None
    result = judge_batch([row], "telepath")
    assert found(result) == {("judged", ""): 1, ("finding", "pagination_echoes_request"): 1}
    assert result[1]["first"] == datetime(2026, 11, 28, 18, tzinfo=UTC).timestamp()


def test_all_results_have_the_same_columns_and_no_secret() -> None:
    """Also those about rows that cannot be read, and about other hosts."""
    echo = line(1)
    echo["response"]["body"]["trunks"] = CANARY
    elsewhere = {"request": {"method": "GET", "url": "https://fonts.example.com/a"}, "response": {"status": 200}}
    unread: list[Json] = ["{", b"\xff", "", 7, None, {}, {"request": 1, "response": 2}]
    result = judge_batch([echo, elsewhere, *unread], "telepath")
    assert len({tuple(row) for row in result}) == 1
    counts = found(result)
    assert counts["other_host", "fonts.example.com"] == 1
    assert sum(count for (kind, _), count in counts.items() if kind == "not_judged") == len(unread)
    assert ("finding", "credential_is_not_echoed") in counts
    assert CANARY not in json.dumps(result)
    rows = {row["message"]: row["row"] for row in result if row["kind"] != "finding"}
    assert (rows["it is not JSON that can be read; it may be cut off"], rows["fonts.example.com"]) == ("2", "")


def test_exchanges_of_other_operations_are_counted() -> None:
    """With `operations`, as requests to other hosts are."""
    assert found(judge_batch([line(1)], "telepath", operations=["getCall"])) == {
        ("judged", ""): 0,
        ("other_operation", "listTrunks"): 1,
    }


def test_equal_rows_give_equal_results() -> None:
    """The function keeps nothing: neither the order of calls nor earlier ones matter."""
    rows: list[Json] = [line(2, shown=3), "{", line(1)]
    first = judge_batch(rows, "telepath")
    judge_batch([line(5, shown=6)], "talkover")
    assert judge_batch(rows, "telepath") == first
    assert judge_batch([], "telepath") == [{**first[0], "count": 0}]


def test_operations_and_bases_are_those_of_validate() -> None:
    """Exchanges of other operations and bases are not judged, and a wrong name is an error."""
    rows = [line(2, shown=3)]
    assert found(judge_batch(rows, "telepath", operations=["getCall"]))["judged", ""] == 0
    gateway = json.loads(json.dumps(rows).replace("https://api.telepathvoice.com/v1", "https://gateway.example.com/x"))
    assert found(judge_batch(gateway, "telepath", bases=["https://gateway.example.com/x"]))["judged", ""] == 1
    for wrong in ({"operations": ["nothing"]}, {"bases": ["nothing"]}):
        with pytest.raises(UsageError):
            judge_batch(rows, "telepath", **wrong)
    with pytest.raises(trunkline.TrunklineError):
        judge_batch(rows, "nobody")


@pytest.mark.slow
def test_an_engine_finds_what_validate_finds(tmp_path: Path) -> None:
    """The script of docs/scale.md runs on Ray, with batches in several processes."""
    root = folders.roots()[0]
    page = (root / "docs" / "scale.md").read_text("utf-8")
    (script,) = re.findall(r"<!-- ray -->\n```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "judge_many.py").write_text(script, "utf-8")
    traffic, packages = tmp_path / "traffic", tmp_path / "packages"
    traffic.mkdir()
    for number in range(4):
        rows = [line(1 + index % 100, shown=7 if index % 10 == 0 else None) for index in range(1500)]
        (traffic / f"{number}.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--target", packages)
    run(*pip, "-r", root / "tests" / "scale" / "requirements.txt")
    paths = os.pathsep.join(map(str, (packages, root / "src")))
    command = (sys.executable, "judge_many.py", traffic, "findings.ndjson")
    run(*command, cwd=tmp_path, PYTHONPATH=paths, RAY_USAGE_STATS_ENABLED="0")
    result = [json.loads(text) for text in (tmp_path / "findings.ndjson").read_text("utf-8").splitlines()]
    report = validate_files(trunkline.load("telepath"), [str(traffic)])
    expected = {("finding", finding.rule): finding.count for finding in report.findings}
    assert found(result) == {("judged", ""): 6000, **expected}
    assert expected
