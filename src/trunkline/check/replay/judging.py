"""Judge a replayed finding by comparing its responses with what was seen and what was expected then.

Rules and laws judge by themselves. This is for the findings of stateful laws, of Schemathesis, and about credentials.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from trunkline.check.availability import COMPLETENESS
from trunkline.check.laws import LAW_NAMES
from trunkline.contract.bodies import NOTHING, all_texts, json_object, json_of
from trunkline.contract.model import Contract
from trunkline.contract.refusals import reasons_to_refuse
from trunkline.exchange import Exchange, Json, Response
from trunkline.findings import LONGEST_VALUE, to_text, truncate

if TYPE_CHECKING:
    from trunkline.check.replay.rewriting import Names
    from trunkline.check.replay.saved import SavedFinding, SavedRequest

STATUS_CHECKS: Mapping[str, Callable[[SavedRequest, Response], bool]] = {
    "ignored_auth": lambda _, response: response.status < 400,
    "unsupported_method": lambda _, response: response.status != 405 or not response.header("allow"),
    COMPLETENESS.name: lambda recorded, response: response.status == recorded.status,
}
"""Whether a response shows the finding of a check of Schemathesis, or that an operation is missing."""

_AGREEMENTS = frozenset(
    {
        "created_is_read_back",
        "update_shows",
        "update_leaves_the_rest",
        "other_changes_reset_nothing",
        "action_shows_in_a_read",
        "action_leaves_the_rest",
        "list_and_detail_agree",
    }
)
"""The stateful laws by which a field has the value that it had before, or that was sent."""
_APART = "accounts_are_apart"
_FINE = {"success": (200, 299), "found": (200, 299), "refused": (400, 499), "not found": (400, 499)}
"""The statuses that a stateful law expects, by its first words."""
_SHORTEST = 4
"""The number of characters of a secret that is not found by chance."""


class Undecided(Exception):
    """Raised when it cannot be said whether a finding still happens; the message is the reason."""


def check_status(recorded: SavedRequest, status: int, which: str = "") -> None:
    """Raise `Undecided` if a request is answered with another status than then, so that the rest proves nothing."""
    if recorded.status not in (None, status):
        hint = ": check the token" if status == 401 else ""
        raise Undecided(f"{which}answered {status} now, and {recorded.status} then{hint}")


def may_differ(finding: SavedFinding, exchange: Exchange, contract: Contract) -> bool:
    """Whether the last response can be judged although its status may be another one than then.

    That is so if the finding is about the status, if a law asks again anyway, or if a refusal is right. It is not, if
    the request was not answered at all: for the rate limit, for the credential, or by a server that is down.
    """
    status, last = exchange.response.status, finding.requests[-1]
    if status == 429 or (status == 401 and last.is_ours) or (status >= 500 and (last.status or 0) < 500):
        return False
    if finding.at == "status" or (finding.rule in LAW_NAMES and not finding.writes):
        return True
    is_right = finding.rule == _APART or status == 401 or any(reasons_to_refuse(contract, exchange.request))
    return 400 <= status < 500 and is_right


def is_as_seen(finding: SavedFinding, exchanges: Sequence[Exchange], names: Names) -> bool:
    """Whether the last response shows what was seen. Raises `Undecided` if it shows neither that nor what is expected.

    `names` are those that were known before it.
    """
    last, expected, seen = exchanges[-1], names.value(finding.expected), names.value(finding.seen)
    if finding.at == "status":
        return _is_status_as_seen(last.response.status, seen[:3] or str(finding.requests[-1].status or "?"), expected)
    if (expected, seen) == ("absent", "present"):
        return _shows_secret(last, names)
    if finding.rule == _APART:
        return _is_within(_scalar(seen), json_of(last))
    own = {*names.ids.values()}
    if expected == "nothing created":
        return any(_is_like_sent(node, exchanges, own) for node in _nodes(json_of(last)))
    value, item = _value_at(last, finding.at, own)
    if expected == "a new id":
        return value in own
    return _is_value_as_seen(finding, value, (expected, seen), exchanges, item)


def _is_value_as_seen(
    finding: SavedFinding, value: Json, texts: tuple[str, str], exchanges: Sequence[Exchange], item: str
) -> bool:
    """Whether a value is what was seen. `texts` are what was expected and seen, `item` is the id of its item."""
    expected, seen = texts
    now = truncate("absent" if value is NOTHING else to_text(value), LONGEST_VALUE)
    if finding.rule in _AGREEMENTS and item:
        before = next(_values_before(finding.at.rpartition("/")[2], exchanges, item), NOTHING)
        if before is not NOTHING:
            return bool(value != before)
    if isinstance(value, dict | list):
        found = _is_seen_within(value, seen, expected)
    else:
        found = True if now in (seen, json.dumps(seen)) else False if now in (expected, json.dumps(expected)) else None
    if found is None:
        raise Undecided(f"{finding.at} is {now} now, which is neither as then nor as expected")
    return found


def _is_status_as_seen(status: int, then: str, expected: str) -> bool:
    low, high = next((_FINE[words] for words in _FINE if expected.startswith(words)), (200, 299))
    is_fine = str(status) in expected if expected[:1].isdigit() else low <= status <= high
    if str(status) != then and not is_fine:
        raise Undecided(f"answered {status} now, and {then} then")
    return str(status) == then


def _shows_secret(exchange: Exchange, names: Names) -> bool:
    """Whether a response has a secret that was sent."""
    texts = [text for _, text in all_texts(json_of(exchange))] + [value for _, value in exchange.response.headers]
    secrets = [secret for secret in names.secrets.values() if len(secret) >= _SHORTEST]
    return any(secret in text for text in texts for secret in secrets)


def _is_like_sent(item: Json, exchanges: Sequence[Exchange], own: set[str]) -> bool:
    """Whether an item that no creation answered has a text of a body that was refused."""
    if not isinstance(item, dict) or own & {*map(str, item.values())}:
        return False
    refused = (json_object(exchange.request.body) for exchange in exchanges if exchange.response.status >= 400)
    texts = {value for body in refused for value in body.values() if isinstance(value, str) and len(value) >= _SHORTEST}
    return any(value in texts for value in item.values() if isinstance(value, str))


def _is_seen_within(value: Json, seen: str, expected: str) -> bool | None:
    """Whether an object or a list has what was seen in it, or lacks what is expected; None if it shows neither."""
    if _scalar(seen) is NOTHING:
        return None if _scalar(expected) is NOTHING else not _is_within(_scalar(expected), value)
    if _is_within(_scalar(seen), value):
        return True
    return False if _scalar(expected) is NOTHING or _is_within(_scalar(expected), value) else None


def _scalar(text: str) -> Json:
    """The text, number, truth value or null that a JSON text is, or `NOTHING`."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return NOTHING
    return NOTHING if isinstance(value, dict | list) else value


def _nodes(value: Json) -> Iterator[Json]:
    """The value and all that is in it."""
    nodes = [value]
    while nodes:
        node = nodes.pop()
        yield node
        if isinstance(node, dict | list):
            nodes += node.values() if isinstance(node, dict) else node


def _is_within(wanted: Json, value: Json) -> bool:
    """Whether a JSON value has a scalar anywhere in it."""
    return any(type(node) is type(wanted) and node == wanted for node in _nodes(value))


def _value_at(exchange: Exchange, at: str, own: set[str]) -> tuple[Json, str]:
    """The value at a place, and the id of the item of this run that it is in, or empty.

    Of a list it is in an item of this run; without one it is the list itself.
    """
    if at.startswith("header/"):
        field = exchange.response.header(at.removeprefix("header/"))
        return NOTHING if field is None else field, ""
    value: Json = json_of(exchange)
    identity = _own_id(exchange.request.path.split("/"), own)
    for part in at.removeprefix("body").split("/")[1:]:
        if isinstance(value, list):
            ours = [item for item in value if isinstance(item, dict) and _own_id(item.values(), own)]
            there = value[int(part)] if part.isascii() and part.isdigit() and int(part) < len(value) else None
            if not ours or (len(ours) > 1 and there not in ours):
                return value, ""
            value = there if there in ours else ours[0]
        elif not isinstance(value, dict):
            return NOTHING, identity
        else:
            value = value.get(part.replace("~1", "/").replace("~0", "~"), NOTHING)
        if isinstance(value, dict):
            identity = _own_id(value.values(), own) or identity
    return value, identity


def _own_id(values: Iterator[Json] | Sequence[Json] | Json, own: set[str]) -> str:
    """The last of some values that is the id of an item of this run, or empty."""
    return next((str(value) for value in reversed([*values]) if str(value) in own), "")


def _values_before(name: str, exchanges: Sequence[Exchange], identity: str) -> Iterator[Json]:
    """The values of a field of an item before the last response, the latest first: as shown, or as sent."""
    *earlier, last = exchanges
    if name in (sent := json_object(last.request.body)):
        yield sent[name]
    for exchange in reversed(earlier):
        body = json_of(exchange)
        if not 200 <= exchange.response.status < 300 or identity not in (
            *exchange.request.path.split("/"),
            *(text for _, text in all_texts(body)),
        ):
            continue
        items = [node for node in _nodes(body) if isinstance(node, dict) and name in node]
        if len(items) > 1:
            items = [item for item in items if identity in map(str, item.values())]
        yield from (item[name] for item in items[:1])
        if name in (sent := json_object(exchange.request.body)):
            yield sent[name]
