"""A fault in one line, and in JSON and TOML."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.errors import DataError, TrunklineError, UsageError
from trunkline.exchange import Json
from trunkline.mock.faults import Fault, Step, load_faults, parse_fault, parse_faults, parse_line, to_line

LINES = {
    "503": "*: 503",
    "listTrunks: 503 x2, then 429 retry-after=1": "listTrunks: 503 x2, then 429 retry-after=1",
    "listTrunks:503": "listTrunks: 503",
    "list offset=100 account=main vendor=telepath: 503": "list vendor=telepath account=main offset=100: 503",
    "  getCall   id=a:b:   503 x1  then 404 ": "getCall id=a:b: 503 x1, then 404",
    'getCall id="a b:": 503': 'getCall id="a b:": 503',
    "*: seed=7 chance=0.25 INVALID_API_KEY": "*: INVALID_API_KEY chance=0.25 seed=7",
    "*: 401 INVALID_API_KEY": "*: 401 INVALID_API_KEY",
    "*: code=slow_down": "*: code=slow_down",
    "*: code=503 X2": "*: 503 x2",
    "*: 400 code=X2": "*: 400 code=X2",
    "*: lose_answer": "*: lose-answer",
    "*: delay=uniform(0.2,0.8) drip=1.5": "*: delay=uniform(0.2,0.8) drip=1.5",
    "*: close x1, then reset=before window=2 then reset=after": "*: close x1, then reset window=2, then reset=after",
    "write: half-write x1, then half-write=name": "write: half-write x1, then half-write=name",
    "read: stale window=2.5": "read: stale window=2.5",
    "*: drop calls=1, then null=/a~1b/0/name x3 then retype": (
        "*: drop calls=1, then null=/a~1b/0/name x3, then retype"
    ),
    '*: 502 content-type=a/b body="<p>, then"': '*: 502 body="<p>, then" content-type=a/b',
    "*: 301 header.Location=https://b.example/a:b": "*: 301 header.Location=https://b.example/a:b",
    '*: 500 message="no carrier — sorry"': '*: 500 message="no carrier — sorry"',
    "*: calls=2- skew=-300 drain truncate": "*: drain skew=-300 truncate calls=2-",
}


@pytest.mark.parametrize("line", LINES)
def test_a_line_is_read_and_written(line: str) -> None:
    """The line that `to_line` writes means the same, and is the short form."""
    fault = parse_line(line)
    assert to_line(fault) == LINES[line]
    assert parse_line(LINES[line]) == fault


MISTAKES = {
    "": "column 1 of '': an effect is missing, such as 503, delay=0.5 or lose-answer",
    "listTrunks:": "column 12 of 'listTrunks:': an effect is missing",
    "listTrunks: 503, then": "column 22 of 'listTrunks: 503, then': an effect is missing",
    "listTrunks: 503 x0": "column 17 of 'listTrunks: 503 x0': times: give a whole number, at least 1",
    "listTrunks: 503 404": "column 17 of 'listTrunks: 503 404': '404' says status again",
    "listTrunks a=1 a=2: 503": "column 16 of 'listTrunks a=1 a=2: 503': 'a=2' says a again",
    "listTrunks: 700": "column 13 of 'listTrunks: 700': status: give a whole number, at most 599",
    "listTrunks: dealy=1": "column 13 of 'listTrunks: dealy=1': 'dealy' is no effect; did you mean delay?",
    "listTrunks: delay=soon": "delay is not a number of seconds, uniform(LOW,HIGH) or lognormal(MEDIAN,SIGMA)",
    "listTrunks: delay=1e3": "delay is not a number of seconds",
    "listTrunks: delay=uniform(3,1)": "delay is uniform between 3 and 1; the lower bound comes first",
    "listTrunks: delay": "column 13 of 'listTrunks: delay': delay needs a value: delay=...",
    "listTrunks: close=middle": "close: it is none of: before, in-head, after-head, in-body, after",
    "listTrunks: close reset": "close and reset exclude each other",
    "listTrunks: lose-answer 503": "lose_answer has no answer to give; leave status, code and body out",
    "listTrunks: lose-answer close=after": "lose_answer closes before the answer; leave close and reset out",
    "listTrunks: truncate malform": "truncate and malform exclude each other",
    "listTrunks: delay=1 message=x": "message needs the status or the code of the answer that has it",
    "listTrunks: 503 calls=3-2": "calls is 3-2, which ends before it begins",
    "listTrunks: x2": "it has no effect; give one, such as status = 503",
    "listTrunks: 503, then 404": "column 13 of 'listTrunks: 503, then 404': a step before 'then' has no end; give it",
    "listTrunks: 503 calls=3- then 404": "a step before 'then' has no end; give it times, calls or a window",
    "listTrunks: 503 x1, then x2": "column 26 of 'listTrunks: 503 x1, then x2': it has no effect",
    "listTrunks: 503 x1, then 700": "column 26 of 'listTrunks: 503 x1, then 700': status: give a whole number, at",
    "listTrunks: 503 header.a:b=c": "'a:b' is not the name of a header field",
    'listTrunks: 503 header.a="\\n"': "the header field a has characters that no header field can have",
    "listTrunks: 503 header.Content-Length=1": "the header field Content-Length is the server's own; see drain,",
    "listTrunks limit: 503": "'listTrunks' is no effect",
    'listTrunks: body="x': "column 18 of 'listTrunks: body=\"x': a quotation mark has no partner",
    'listTrunks: body="\\ud800"': "a text holds half of a surrogate pair, which UTF-8 cannot encode",
    "listTrunks: drop=id": "column 13 of 'listTrunks: drop=id': drop: it is no JSON Pointer, such as /id",
    "listTrunks: 503 calls=0": "column 17 of 'listTrunks: 503 calls=0': calls: it is not like 3, 2-3 or 2-",
    "listTrunks: half-write=": "half-write: give a text, at least 1 long",
    'listTrunks: body="\\x"': "the quoted text is not a JSON string",
    "listTrunks 503": "'listTrunks' is no effect; there are a status, an error code, xN",
    "offset=1: 503": "the line begins with an operation, or with * for any: * offset=1",
    "a: 503 x1, then 404 seed=1": "seed is about all steps; give it before the first 'then'",
    "GET /v1/trunks: 503": "column 1 of 'GET /v1/trunks: 503': give the operationId, such as listTrunks, in",
    "listTrunks: retry-after=1s": "column 13 of 'listTrunks: retry-after=1s': retry-after: give a whole number",
    "listTrunks: delay=1 window=0": "window: give a number, more than 0",
    "listTrunks: x": "truncate, window, and ', then'",
    "x" * 5000: "the fault is longer than 4096 characters; write a table of TOML",
}


@pytest.mark.parametrize(
    "line",
    [
        "listTrunks: 503 header.set-cookie=night-desk-7 bogus",
        'listTrunks: 503 header.x-api-key="night-desk-7',
        "listTrunks api_key=night-desk-7 api_key=night-desk-7: 503",
        f"listTrunks: 503 bogus header.authorization={'x' * 30}night-desk-7",
    ],
)
def test_a_line_with_a_mistake_is_quoted_without_its_secrets(line: str) -> None:
    """The sentence goes to logs of CI and into failed tests."""
    with pytest.raises(UsageError, match="column") as caught:
        parse_line(line)
    assert "night" not in str(caught.value)


@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_in_a_line_has_its_column(line: str) -> None:
    """One sentence names the column, and the way out."""
    with pytest.raises(UsageError) as caught:
        parse_line(line)
    assert MISTAKES[line] in str(caught.value)
    assert "\n" not in str(caught.value)


DATA: list[tuple[Json, str]] = [
    ([], "the body: the one key is faults, a list such as"),
    ({}, "the body: the one key is faults, a list such as"),
    ({"faults": []}, "the body#/faults: give a list, at least 1 long"),
    ({"fault": []}, "the body: there is no 'fault' here; the one key is faults, a list such as"),
    ({"faults": [7]}, "the body#/faults/0: give a text or an object"),
    ({"faults": [{"status": 503}, {"statos": 503}]}, "the body#/faults/1: there is no 'statos'; did you mean status?"),
    ({"faults": [{"status": "503"}]}, "the body#/faults/0/status: give a whole number"),
    ({"faults": [{"delay": -1}]}, "the body#/faults/0: delay may be from 0 to 60 seconds"),
    ({"faults": [{"status": 503, "then": [{"times": 1}]}]}, "the body#/faults/0/then/0: it has no effect"),
    ({"faults": ["503", "listTrunks: x"]}, "the body#/faults/1, column 13 of 'listTrunks: x': 'x' is no effect"),
    (
        {"operation": "*", "status": 503},
        "the body: there is no 'operation' here; the one key is faults, a list such as",
    ),
    ({"faults": [{"\ud800": 1}]}, "the body: a text holds half of a surrogate pair, which UTF-8 cannot encode"),
    ({"faults": [{"close": "now"}]}, "the body#/faults/0/close: it is none of: before, in-head, after-head"),
]


@pytest.mark.parametrize(("value", "sentence"), DATA)
def test_a_mistake_in_data_has_its_pointer(value: Json, sentence: str) -> None:
    """One sentence names the JSON Pointer, and the way out."""
    with pytest.raises(TrunklineError) as caught:
        parse_faults(value)
    assert str(caught.value).startswith(sentence)


def test_a_file_has_tables_and_lines(tmp_path: Path) -> None:
    """A TOML file lists both in order; a mistake names the file."""
    path = tmp_path / "faults.toml"
    path.write_text('faults = ["listTrunks: 503 x2", { operation = "write", lose_answer = true, times = 1 }]\n')
    assert load_faults(path) == [parse_line("listTrunks: 503 x2"), parse_line("write: lose-answer x1")]
    path.write_text('[[faults]]\noperation = "list"\nstatus = 42\n')
    with pytest.raises(DataError) as caught:
        load_faults(path)
    assert str(caught.value) == f"{path}#/faults/0/status: give a whole number, at least 200"


def test_texts_may_stand_for_numbers_where_there_are_only_texts() -> None:
    """Options of a command line have no numbers."""
    assert parse_fault({"status": "503", "times": "2"}, strict=False) == parse_line("503 x2")


_STEP = st.fixed_dictionaries(
    {},
    optional={
        "times": st.integers(1, 10),
        "calls": st.sampled_from(["1", "2-3", "4-"]),
        "window": st.floats(0.5, 100),
        "chance": st.sampled_from([0.25, 0.5]),
        "status": st.integers(200, 599),
        "code": st.text(max_size=20),
        "headers": st.dictionaries(
            st.from_regex(r"[A-Za-z-]{1,9}\Z", fullmatch=True), st.text("aé :,\t\"'=", max_size=9), max_size=2
        ),
        "retry_after": st.integers(0, 100),
        "delay": st.one_of(st.integers(0, 60), st.just("uniform(0.1,2)")),
        "close": st.sampled_from(["before", "in-body"]),
        "half_write": st.one_of(st.just(value=True), st.text(min_size=1, max_size=9)),
        "drop": st.one_of(st.just(value=True), st.text("/ab:", max_size=9).map("/".__add__)),
        "skew": st.integers(-100, 100),
        "stale": st.booleans(),
        "body": st.text(max_size=30),
    },
)


@settings(max_examples=40)
@given(
    _STEP,
    st.lists(_STEP, max_size=2),
    st.dictionaries(st.from_regex(r"[a-z_]{1,9}\Z", fullmatch=True), st.text(max_size=9), max_size=2),
)
def test_every_fault_can_be_written_as_a_line(first: Json, then: list[Json], where: dict[str, str]) -> None:
    """`parse_line` reads what `to_line` writes, whatever the texts hold."""
    where = {name: value for name, value in where.items() if name not in ("vendor", "account")}
    try:
        fault = msgspec.convert({**first, "operation": "list", "where": where, "then": then}, Fault)
    except msgspec.ValidationError:
        return
    again = parse_line(to_line(fault))
    assert to_line(again) == to_line(fault)
    assert [_plain(step) for step in again.steps] == [_plain(step) for step in fault.steps]
    assert again.where == fault.where


def _plain(step: Step) -> dict[str, Json]:
    """The fields of a step; numbers that a line has as texts are numbers."""
    fields = {name: getattr(step, name) for name in Step.__struct_fields__ if name != "delay"}
    return {**fields, "delay": str(step.delay).removesuffix(".0"), "window": f"{step.window or 0:g}"}
