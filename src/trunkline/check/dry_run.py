r"""A dry run: the writing requests that a check would send, one line each, and the number of reading ones.

>>> print(*preview(requests, contract), sep="\n")
POST /trunks {"name": "trunkline-check-5d1c0e9a77-1", "sip_password": "***"}
1 request that writes, 12 that only read; nothing was sent
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator

from trunkline import mock
from trunkline.check.runner import Checker
from trunkline.check.safety import WriteAccess
from trunkline.check.safety.ledger import Ledger
from trunkline.contract.model import Contract
from trunkline.exchange import SAFE_METHODS, Exchange, NotJSON, Request, Target, parse_json
from trunkline.findings import truncate
from trunkline.mock.loader import Vendor
from trunkline.redaction import printable, redact_body, redactor
from trunkline.transport import targets
from trunkline.transport.connect import known_parameters, mock_second_credential

_MOST_CHARACTERS = 500
"""The length of a line; a longer one is cut."""


def dry_run(
    vendor: Vendor,
    operations: Collection[str],
    seed: int,
    examples: int,
    max_requests: int | None,
    *,
    allowed_leftovers: int | None,
    two_accounts: bool,
    decorate: Callable[[Target], Target] = lambda target: target,
) -> Iterator[str]:
    """Check the mock instead of the implementation, and describe its requests by `preview`.

    `two_accounts` says whether the check would have two. `decorate` may end the run early, by an exception.
    """
    log: list[Exchange] = []
    cleaner = targets.recorded(mock.from_vendor(vendor), log)
    Checker(
        vendor,
        decorate(cleaner if max_requests is None else targets.budgeted(cleaner, max_requests)),
        credential=vendor.world.token,
        parameters=known_parameters(vendor),
        seed=seed,
        examples=examples,
        writing=WriteAccess(Ledger(), cleaner, allowed_leftovers),
        second=mock_second_credential(vendor) if two_accounts else None,
    ).run(operations)
    yield from preview((exchange.request for exchange in log), vendor.contract, redactor(vendor.secrets))


def preview(
    requests: Iterable[Request], contract: Contract, redact: Callable[[str], str] = lambda text: text
) -> Iterator[str]:
    """One line for each writing request, in order, and a line with the numbers of both kinds.

    Values under the name of a secret of the contract are redacted at any depth; `redact` does so by their values.
    """
    writing = reading = 0
    for request in requests:
        if request.method in SAFE_METHODS:
            reading += 1
            continue
        writing += 1
        line = f"{request.method} {request.target} {_body_text(request.body, contract.secrets)}".rstrip()
        yield truncate(printable(redact(line)), _MOST_CHARACTERS)
    count = "1 request that writes" if writing == 1 else f"{writing or 'no'} requests that write"
    yield f"{count}, {reading or 'none'} that only read{'s' if reading == 1 else ''}; nothing was sent"


def _body_text(body: bytes, secrets: Collection[str]) -> str:
    if not body:
        return ""
    try:
        parse_json(body)
    except NotJSON:
        return f"<{len(body)} bytes that are not JSON>"  # they may hold a secret
    return redact_body(body, secrets).decode("utf-8", "backslashreplace")
