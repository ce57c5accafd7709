"""What `trunkline.refusals` promises: what a request means, or every reason to refuse it, from the contract alone."""

from __future__ import annotations

import pytest

from trunkline import folders, library
from trunkline.contract import Contract
from trunkline.exchange import Headers, Request, resolve
from trunkline.findings import Grade
from trunkline.refusals import Reading, Refusal, answer, bounds, read, reasons, refuse

VENDORS = folders.names()
GOOD: Headers = (("authorization", "Bearer abc"),)


@pytest.fixture(scope="module")
def telepath() -> Contract:
    return library.load("telepath").contract


@pytest.fixture(scope="module")
def talkover() -> Contract:
    return library.load("talkover").contract


def reading(contract: Contract, request: Request) -> Reading:
    found = read(contract, request)
    assert isinstance(found, Reading), found
    return found


def refusal(contract: Contract, request: Request) -> Refusal:
    found = read(contract, request)
    assert isinstance(found, Refusal), found
    return found


def test_a_request_is_read_with_its_defaults(telepath: Contract) -> None:
    """A request means its operation, its credential and its parameters as values, defaults filled in."""
    found = reading(telepath, Request("GET", "/trunks", "offset=3&status=error&x=1", GOOD))
    assert found.operation.operation_id == "listTrunks"
    assert found.values == {"limit": 20, "offset": 3, "status": "error"}
    assert found.credential == "abc"


def test_a_path_parameter_is_decoded_once(talkover: Contract) -> None:
    """Percent-encoding is undone once, and what is no UTF-8 survives the way."""
    paths = {"a%2Fb": "a/b", "a%252Fb": "a%2Fb", "%FF": "\udcff", "a+b": "a+b", "%E2%80%94": "—", "%zz": "%zz"}
    for sent, meant in paths.items():
        assert reading(talkover, Request("GET", f"/sip-trunks/{sent}", "", GOOD)).values == {"trunk_id": meant}


def test_a_reading_of_the_largest_numbers(telepath: Contract) -> None:
    """Integers of any length are compared, not overflowed, and not read slowly."""
    assert reading(telepath, Request("GET", "/trunks", f"offset={2**63 - 1}", GOOD)).values["offset"] == 2**63 - 1
    for text in (str(2**63), "9" * 5_000, "9" * 100_000):
        assert refusal(telepath, Request("GET", "/trunks", f"offset={text}", GOOD)).cause == "parameter_out_of_range"


@pytest.mark.parametrize(
    ("request_", "cause", "at"),
    [
        (Request("GET", "/nowhere"), "path_unknown", "/components/responses/UnknownPath"),
        (Request("POST", "/trunks"), "method_not_allowed", "/components/responses/WrongMethod"),
        (Request("GET", "/trunks"), "credentials_missing", "/components/securitySchemes/apiKey"),
        (
            Request("GET", "/trunks", "", (("authorization", "Basic eA=="),)),
            "credentials_malformed",
            "/components/securitySchemes/apiKey",
        ),
        (
            Request("GET", "/trunks", "limit=0", GOOD),
            "parameter_out_of_range",
            "/paths/~1trunks/get/parameters/0/schema/minimum",
        ),
        (
            Request("GET", "/trunks", "limit=101", GOOD),
            "parameter_out_of_range",
            "/paths/~1trunks/get/parameters/0/schema/maximum",
        ),
        (
            Request("GET", "/trunks", "offset=x", GOOD),
            "parameter_malformed",
            "/paths/~1trunks/get/parameters/1/schema/type",
        ),
        (
            Request("GET", "/trunks", "status=x", GOOD),
            "parameter_not_allowed",
            "/paths/~1trunks/get/parameters/2/schema/enum",
        ),
        (
            Request("GET", "/trunks", "status=error&status=error", GOOD),
            "parameter_repeated",
            "/paths/~1trunks/get/parameters/2/schema",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else value.target,
)
def test_a_refusal_points_at_what_is_broken(telepath: Contract, request_: Request, cause: str, at: str) -> None:
    """The first reason to refuse names its cause and the place in the contract that the request breaks."""
    found = refusal(telepath, request_)
    assert (found.cause, found.pointer) == (cause, at)
    assert resolve(telepath.document, at) is not None
    assert found.evidence.source or found.evidence.grade is Grade.DECISION


def test_every_reason_is_told_where_no_page_says_which_comes_first(telepath: Contract) -> None:
    """`reasons` tells all that is wrong with a request, so that a rule can excuse an answer for any of them."""
    request = Request("GET", "/trunks", "limit=0&offset=x&status=x&status=y")
    assert [reason.cause for reason in reasons(telepath, request)] == [
        "credentials_missing",
        "parameter_out_of_range",
        "parameter_malformed",
        "parameter_repeated",
    ]
    assert reasons(telepath, Request("GET", "/trunks", "limit=1", GOOD)) == ()
    assert [reason.cause for reason in reasons(telepath, Request("POST", "/trunks", "limit=0"))] == [
        "method_not_allowed"
    ]


def test_a_bound_that_is_a_decision_makes_a_reason_a_decision(telepath: Contract) -> None:
    """Where no page gives a range, breaking it is held against nobody; a documented range is as strong as its page."""
    grades = {
        query: refusal(telepath, Request("GET", "/trunks", query, GOOD)).evidence.grade
        for query in ("offset=-1", "offset=x", "limit=0", "limit=x")
    }
    assert grades == {
        "offset=-1": Grade.DECISION,
        "offset=x": Grade.DECISION,
        "limit=0": Grade.DOCUMENTED,
        "limit=x": Grade.DECISION,
    }


@pytest.mark.parametrize("name", VENDORS)
def test_every_cause_has_one_answer_and_words(name: str) -> None:
    """Whatever a contract can refuse is answered by a documented response, with a code and a message."""
    vendor = library.load(name)
    for operation in vendor.contract.operations:
        causes = {cause for found in operation.answers.values() for cause in found.refusals}
        for cause in causes - {"path_unknown", "method_not_allowed"}:
            found, code = answer(vendor.contract, refuse(operation, cause, "sent", "broke", {}))
            assert found.key.isdigit()
            assert code.code
            assert vendor.world.words[cause]


def test_a_cause_that_nothing_answers_is_an_error(talkover: Contract) -> None:
    """A cause that an operation does not know cannot be refused with."""
    found = reading(talkover, Request("GET", "/sip-trunks/x", "", GOOD))
    with pytest.raises(LookupError, match="parameter_repeated"):
        refuse(found.operation, "parameter_repeated", "", "", {})


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "integer", "minimum": 1, "maximum": 100}, "between 1 and 100"),
        ({"type": "integer", "minimum": 0}, "at least 0"),
        ({"type": "integer", "maximum": 9}, "at most 9"),
        ({"type": "integer"}, "of type integer"),
        ({"type": "string", "enum": ["a", "b"]}, "one of: a, b"),
    ],
)
def test_bounds_are_told_in_words(schema: dict[str, object], words: str) -> None:
    """The bounds of a parameter are told in the words that the documents use."""
    assert bounds(schema) == words
