"""Laws of robustness: no request makes the server fail."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from trunkline.check.laws.session import LawSession, law
from trunkline.check.rules import judge
from trunkline.check.strategies import NONSENSE, nonsense, queries, search
from trunkline.contract.predicates import is_read
from trunkline.exchange import Headers
from trunkline.findings import Finding

_ODD_HEADERS: tuple[Headers, ...] = (
    (("accept-encoding", "identity"),),
    (("accept-language", "xx-\u00e9".encode().decode("latin-1")),),
    (("content-type", "text/plain"),),
    (("x-long", "a" * 2000),),
)
"""Headers that must not change the response (unlike Range), and that can change no data."""

_MOST_ID_CHARACTERS = 3900
"""The HTTP server may refuse a longer path by itself, in its own form."""


@law("implied: no server error is documented; judged by the rules, above all no_server_error", is_read)
def nonsense_causes_no_server_error(session: LawSession) -> Iterator[Finding]:
    """Nonsense in the query, in an id or in a header gets a response that is not a server error."""
    operation = session.operation
    queried = tuple(parameter for parameter in operation.parameters if parameter.location == "query")
    in_path = [parameter.name for parameter in operation.path_parameters]

    def server_error(query: str = "", path: Mapping[str, str] | None = None) -> Finding | None:
        """The rules report it as well; returned here, so that the search finds the smallest such request."""
        exchange = session.ask(query, path=path)
        return next((finding for finding in judge(operation, exchange) if finding.rule == "no_server_error"), None)

    def server_error_for_id(text: str) -> Finding | None:
        return server_error(path=dict.fromkeys(in_path, text or "%20"))

    examples = max(10, session.examples // 2)
    if not session.needs:
        for headers in _ODD_HEADERS:
            session.ask(headers=headers)
        for index, text in enumerate(NONSENSE if queried else ()):
            session.ask(f"{queried[index % len(queried)].name}={text}")
        if finding := search(lambda st: queries(st, queried), server_error, seed=session.seed, examples=examples):
            yield finding
    if in_path:
        for text in NONSENSE:
            session.ask(path=dict.fromkeys(in_path, text))
        if finding := search(
            lambda st: nonsense(st, _MOST_ID_CHARACTERS), server_error_for_id, seed=session.seed, examples=examples
        ):
            yield finding


@law("RFC 9110; implied: no server error is documented; judged by the rules that hold anywhere", is_read)
def other_methods_cause_no_server_error(session: LawSession) -> None:
    """Other safe methods at the path of the operation get a response; a 405 names the documented method."""
    for method in ("HEAD", "OPTIONS", "QUERY"):  # no TRACE, which may carry no credential (RFC 9110, section 9.3.8)
        session.ask(method=method)


LAWS = (other_methods_cause_no_server_error, nonsense_causes_no_server_error)
