"""The law of endurance: whatever is sent, the answer is one, and it is an answer."""

from __future__ import annotations

from collections.abc import Iterator

from trunkline.check.laws.session import Session, law
from trunkline.check.rules import judge
from trunkline.check.strategies import ABSURD, absurd, queries, search
from trunkline.contract.model import Operation
from trunkline.contract.predicates import reads
from trunkline.exchange import Headers
from trunkline.findings import Finding, NotExercised

_ODD_HEADERS: tuple[Headers, ...] = (
    (("accept-encoding", "identity"),),
    (("accept-language", "xx-\u00e9".encode().decode("latin-1")),),
    (("content-type", "text/plain"),),
    (("x-long", "a" * 2000),),
)
"""Headers that leave the answer as it is: none that lawfully changes it (Range), none that could change anything."""


@law("implied by the pages, which show no server error: judged by the rules, above all no_server_error", reads)
def absurd_requests_are_survived(interview: Session) -> Iterator[Finding | NotExercised]:
    """Nonsense in the query, in an id or in a header gets an answer, and never a server error."""
    operation = interview.operation
    queried = tuple(parameter for parameter in operation.parameters if parameter.location == "query")
    named = [parameter.name for parameter in operation.parameters if parameter.location == "path"]

    def about_query(query: str) -> Finding | None:
        return _failure(operation, interview, query=query)

    def about_path(text: str) -> Finding | None:
        return _failure(operation, interview, path=dict.fromkeys(named, text or "%20"))

    tries = max(10, interview.examples // 2)
    if not interview.needs:
        for headers in _ODD_HEADERS:
            interview.ask(headers=headers)
        for index, text in enumerate(ABSURD if queried else ()):
            interview.ask(f"{queried[index % len(queried)].name}={text}")
        if finding := search(queries(queried), about_query, seed=interview.seed, examples=tries):
            yield finding
    for text in ABSURD if named else ():
        interview.ask(path=dict.fromkeys(named, text))
    if named and (finding := search(absurd(3900), about_path, seed=interview.seed, examples=tries)):
        yield finding


def _failure(
    operation: Operation, interview: Session, *, query: str = "", path: dict[str, str] | None = None
) -> Finding | None:
    """The server error of one question, if it is one: found again here so that the question can be made small."""
    exchange = interview.ask(query, path=path)
    return next((found for found in judge(operation, exchange) if found.rule == "no_server_error"), None)


@law("RFC 9110 and the pages, which show no server error: judged by the rules that hold anywhere", reads)
def other_methods_are_survived(interview: Session) -> Iterator[Finding | NotExercised]:
    """HEAD and OPTIONS at the operation's path get an answer; a 405 names the documented method."""
    for method in ("HEAD", "OPTIONS"):
        interview.ask(method=method)
    yield from ()


LAWS = (
    other_methods_are_survived,
    absurd_requests_are_survived,
)
