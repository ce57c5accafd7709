"""Write a recorded request in the names of this run: ids, the prefix of labels, unique values, secrets, credentials."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from urllib.parse import quote, unquote

from trunkline.check.laws.refusals import printed_credentials
from trunkline.check.replay.judging import Undecided
from trunkline.check.replay.saved import SavedRequest
from trunkline.check.safety.ledger import RUN_PREFIX
from trunkline.check.stateful.fields import inputs
from trunkline.check.stateful.request_bodies import label_input
from trunkline.contract.bodies import json_object
from trunkline.contract.model import Create, Operation
from trunkline.contract.patterns import sample
from trunkline.exchange import SECOND_VARIABLE, TOKEN_VARIABLE, Headers, Json
from trunkline.redaction import REDACTED

_OF_CONNECTION = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "accept-encoding", "keep-alive"}
)
"""The headers of a recorded request that are about its own connection."""
_SECRET = re.compile(r"\$\{SECRET_(\d{1,4}):(\d{1,4})\}")
"""In the place of a secret in a body: its number in the finding, and its length."""
_DIGITS = 6
"""The number of digits that make a value unique."""


@dataclass(slots=True)
class Names:
    """The ids, texts and secrets of this run, by those of the finding that they replace."""

    ids: dict[str, str] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)

    def value(self, text: str) -> str:
        """An expected or a seen value, with the names of this run."""
        for old, new in self.ids.items():
            forms = {old: new, json.dumps(old): json.dumps(new), f"no {old}": f"no {new}"}
            if text in forms:
                return forms[text]
        return self.body(text)

    def body(self, text: str) -> str:
        """The text of a body, with the names of this run."""
        for old, new in self.texts.items():
            text = text.replace(old, new)
        return text

    def path(self, path: str) -> str:
        """A path, with the ids of this run."""
        parts = ((part, self.ids.get(unquote(part))) for part in path.split("/"))
        return "/".join(part if new is None else quote(new, safe="") for part, new in parts)


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes the bodies of requests that change something. `prefix` begins each label of this run."""

    prefix: str
    random: Random

    def body(self, text: str, operation: Operation, names: Names) -> bytes:
        """The body in the names of this run. Raises `Undecided` if no check would send it."""
        names.texts.update(dict.fromkeys(RUN_PREFIX.findall(text), self.prefix))
        text = self._with_unique_values(names.body(text), operation, names)
        text = _SECRET.sub(lambda found: _secret(found[1], int(found[2]), operation, names), text)
        _check_harmless(text, operation)
        return text.encode("utf-8", "surrogateescape")

    def _with_unique_values(self, text: str, operation: Operation, names: Names) -> str:
        """The body of a creation with other values where they must be unique, since the old ones may be taken."""
        if not isinstance(operation.kind, Create):
            return text
        sent = _object(text)
        for input_ in inputs(operation):
            value: Json = sent.get(input_.name)
            is_new = isinstance(value, str) and value not in names.texts.values()
            if input_.name not in operation.kind.unique or not is_new or not input_.schema.allows(value):
                continue
            digits = f"{self.random.randrange(10**_DIGITS):0{_DIGITS}}"
            choices = [sample(input_.pattern, self.random)] if input_.pattern else [value + digits]
            new = next((choice for choice in choices if input_.schema.allows(choice)), value)
            names.texts[value] = new
            text = text.replace(json.dumps(value), json.dumps(new))
        return text


def _secret(number: str, length: int, operation: Operation, names: Names) -> str:
    """A value of the same length in the place of a secret: the same for the same secret."""
    if number not in names.secrets:
        plain = f"{int(number):0{length}}"
        fits = (input_.schema.allows(plain) for input_ in inputs(operation) if input_.secret)
        if len(plain) != length or not any(fits):
            raise Undecided("a secret was left out of the body of a request")
        names.secrets[number] = plain
    return names.secrets[number]


def _check_harmless(text: str, operation: Operation) -> None:
    """Raise `Undecided` for a text that may be a real number or host, which no check sends."""
    sent = _object(text)
    for input_ in inputs(operation):
        value = sent.get(input_.name)
        is_made = input_.pattern and not input_.secret and input_.name != label_input(operation)
        is_valid = isinstance(value, str) and input_.schema.allows(value)
        if is_made and is_valid and not re.fullmatch(input_.pattern, str(value)):
            raise Undecided(f"its {input_.name} is none that a check would send")


def _object(text: str) -> dict[str, Json]:
    return json_object(text.encode("utf-8", "surrogateescape"))


def credential_of(first: str | None, second: str | None) -> dict[str, str]:
    """The value of each `Authorization` header that checks send, by how it is printed."""
    pairs = ((first, TOKEN_VARIABLE), (second, SECOND_VARIABLE))
    plain = {f"Bearer ${variable}": f"Bearer {credential}" for credential, variable in pairs if credential}
    return (printed_credentials(first) if first else {}) | plain


def headers_of(recorded: SavedRequest, credentials: Mapping[str, str]) -> tuple[Headers, Headers]:
    """The headers of a request, and its credential as it is printed. Raises `Undecided` if one is not known."""
    sent: list[tuple[str, str]] = []
    shown: Headers = ()
    for name, value in recorded.headers:
        if name.lower() in _OF_CONNECTION:
            continue
        if name.lower() == "authorization" and "$" in value:
            if value not in credentials:
                whose, flag = ("another", "--second-token") if SECOND_VARIABLE in value else ("the", "--token")
                raise Undecided(f"the credential of {whose} account is not known; give it with {flag}")
            sent.append((name, credentials[value]))
            shown = (("authorization", value),)
        elif REDACTED in value or f"${TOKEN_VARIABLE}" in value:
            raise Undecided(f"the header {name} of a request was left out")
        else:
            sent.append((name, value))
    return tuple(sent), shown
