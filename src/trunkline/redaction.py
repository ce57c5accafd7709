"""Redact secrets: put `***` in their place, by value in all forms in which servers send them back, and by name.

Values in a mock's own records and requests are masked instead: they are kept, and only print as `***`. In the record of
a proxy, secrets get stand-ins (`traffic.stand_ins`).

>>> redactor(frozenset({"sk_live_0123456789abcdef"}))("the key sk_live_0123456789abc is unknown")
'the key *** is unknown'
>>> redact_fields({"name": "north", "sipPassword": "hunter2"}, ["sip_password"])
{'name': 'north', 'sipPassword': '***'}
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

from trunkline.exchange import (
    SECRET_HEADERS,
    Headers,
    Json,
    NotJSON,
    Request,
    Response,
    encodable,
    pointer,
    read_json,
)

REDACTED = "***"
AUTH_SCHEMES = frozenset({"bearer", "basic", "token"})
"""The scheme names before a credential in an Authorization header, which are no secret (RFC 9110, section 11.4)."""
_CREDENTIAL_NAME = re.compile(
    "token|secret|passw|passphrase|pwd|credential|authorization|bearer|cookie|hmac"
    "|(key|auth|jwt|signature|pass|sig|otp|assertion)[0-9]*$|^x?(pw|pin|sid|session|sessionid|ticket)$"
)
"""Found in the normalized name of a parameter, a header or a field in which clients send a credential."""
_NAMED_TEXT = re.compile(r'"([^"\\]{1,100})"\s*:\s*"((?:[^"\\]++|\\.)++)', re.DOTALL)
_NAMES = re.compile(rb'"([^"\\]*+)"\s*:')
"""The names of the members in JSON, but for those with escapes."""
_ESCAPED_NAME = re.compile(rb'\\"?[^"\\]*+"\s*:')
"""The end of a name with escapes. Each pattern reads a character at most twice, also of text that is not JSON."""
_ASSIGNED = re.compile(r'(?<![\w.%-])([\w.%-]{1,100}+)=("(?:[^"\\]++|\\.)*+"|[^\s"&;,]++)')
"""A name and a value in a header field: `http://acme.example/?token=x`, `503 header.set-cookie="sid=x"`."""
_WITHIN_VALUE = re.compile(
    r"""
    \b bearer [\s+]+ ([^\s"'&,;<>]+)
    | \b (?:basic|token) [\s+]+ (?= [^\s"'&,;<>]* [0-9]) ([^\s"'&,;<>]{8,})
    | // (?: [^\s/"?\#@:]* : )? ([^\s/"?\#@]+) @
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""A credential after its scheme, or the password, or a lone user name, in an address, anywhere in a text.

After "basic" and "token", which are words too, a credential has a digit.
"""
_AFTER_SCHEME = re.compile(
    r"""
    \b (bearer|basic) (?: [\s+] | %20 )++ ([\w.~+/%-]++ =*+)
    (?! \w | \\?["'] [^",}\]\s:] )  # then it is the name of a parameter, as in: Bearer realm="x"
    """,
    re.IGNORECASE | re.VERBOSE | re.ASCII,
)
"""The name of a scheme, and a word after it that may be a credential (RFC 9110, section 11.4)."""
_PASSWORD = re.compile(r"""((?://|\b[a-z]{2,9}:/)[^\s/"'?\#@:]*:)[^\s/"?\#@]++(?=@)""")
"""The password in an address: `https://user:password@host`, also as the name of a file, `https:/user:...`."""
_KEY = re.compile(r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{8,}")
"""A key that can be recognized by its beginning."""
_SCHEMES = (b"earer", b"EARER", b"asic", b"ASIC")
"""The ends of the names of schemes, as servers spell them: a body without any of these is not searched."""
_LONGEST_FORM = 64 << 10
"""The number of characters of a body that is not JSON in which fields of a form are looked for."""
_LEAST_BEARER, _LEAST_OPAQUE = 8, 20
"""The least number of characters of a bearer credential with a digit, and of one without."""
_SHORTEST = 4
"""Shorter secrets are not redacted: they occur everywhere by chance."""
_WINDOW = 12
"""The number of characters in a row that make a part of a secret; fewer may be an ordinary word."""
_LONG = 16
"""The length from which on the parts of a secret are redacted too."""
_DENSE = 512
"""The length up to which each part of `_WINDOW` characters is known; of a longer secret, one after another is."""
_OVERHEAD = 64
"""The weight of a secret beside its characters: its forms take time and memory even if it is short."""
MOST_WEIGHT = 16 << 10
"""The weight of the secrets of one request that are searched for, and of those from earlier requests."""
_LONGEST_RECENT = 1024
"""The number of characters by which a secret from an earlier request is known."""


class Redactor:
    """Replaces each secret in a text by `***`, and each long enough part of one, in all forms and without case.

    Its memory is in proportion to its secrets, and the time of a call to the text.
    """

    __slots__ = ("_characters", "_lengths", "_runs", "_starts", "_texts", "weight")

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._texts = set[str]()
        self._starts = set[str]()
        self._characters = set[str]()
        """The characters of the texts."""
        self._lengths: list[int] = []
        """The lengths of the texts, longest first."""
        self._runs: re.Pattern[str] | None = None
        """Finds the parts of a text that can hold one of the texts, once it is compiled."""
        self.weight = 0
        for secret in secrets:
            self.add(secret)

    def add(self, secret: str) -> None:
        """Redact this secret too."""
        self.weight += len(secret) + _OVERHEAD
        if len(secret) < _SHORTEST:
            return
        forms = _forms(secret)
        texts = {text for form, is_coded in forms for text in _parts(form, is_coded)}
        self._texts |= texts
        self._characters.update(*(form for form, _ in forms))
        self._starts.update([text[:_SHORTEST] for text in texts])
        self._lengths = sorted({*self._lengths, *map(len, texts)}, reverse=True)
        self._runs = None

    def __call__(self, text: str) -> str:
        return self.replace(text, lambda _: REDACTED)

    def replace(self, text: str, stand_in: Callable[[str], str]) -> str:
        """The text with `stand_in(found)` for each secret that is found in it."""
        pieces, at = list[str](), 0
        for start, end in self._spans(_lower(text)) if self._texts else ():
            pieces += text[at:start], stand_in(text[start:end])
            at = end
        return "".join((*pieces, text[at:])) if pieces else text

    def _spans(self, text: str) -> list[tuple[int, int]]:
        """The beginning and the end of each secret in a text, in order and apart."""
        starts, texts, spans = self._starts, self._texts, list[tuple[int, int]]()
        self._runs = self._runs or _runs_of(self._characters, self._lengths[-1])
        runs = (range(run.start(), run.end() - _SHORTEST + 1) for run in self._runs.finditer(text))
        for at in [at for run in runs for at in run if text[at : at + _SHORTEST] in starts]:
            end = 0
            for length in self._lengths:
                if text[at : at + length] in texts:
                    end = at + length
                    break
            if end and spans and at <= spans[-1][1]:
                spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
            elif end:
                spans.append((at, end))
        return spans


def _runs_of(characters: Iterable[str], least: int) -> re.Pattern[str]:
    """A pattern for at least so many of these characters in a row. Every character beyond ASCII counts as one."""
    listed = "".join(re.escape(character) for character in sorted(characters) if character.isascii())
    return re.compile(f"[{listed}\x80-\U0010ffff]{{{least},}}")


@lru_cache(maxsize=8)
def redactor(secrets: frozenset[str]) -> Redactor:
    """The redactor of a set of secrets. Only for those of a whole run: the last ones are kept."""
    return Redactor(secrets)


class RecentSecrets:
    """Redacts the latest secrets that clients sent. The oldest ones are forgotten: its memory is bounded."""

    def __init__(self) -> None:
        self._newer, self._older = Redactor(), Redactor()
        self.added = 0
        """How many there have been so far."""

    def add(self, secret: str) -> None:
        """Redact this secret too; a long one is known by its beginning."""
        if self._newer.weight > MOST_WEIGHT:
            self._newer, self._older = Redactor(), self._newer
        self._newer.add(secret[:_LONGEST_RECENT])
        self.added += 1

    def __call__(self, text: str) -> str:
        return self._older(self._newer(text))


def redact_credentials(text: str) -> str:
    """The text with `***` for each credential after the name of its scheme: `Bearer ***`, `Basic ***`."""

    def redacted(found: re.Match[str]) -> str:
        before = found.start(2) - found.start()
        return found[0][:before] + REDACTED if _is_credential(found) else found[0]

    return _AFTER_SCHEME.sub(redacted, text)


def redact_shapes(text: str) -> str:
    """The text with `***` for the password in an address, and for a key that begins as one (`sk_live_`).

    Known secrets are redacted before: one of them may have such a part.
    """
    text = _PASSWORD.sub(rf"\1{REDACTED}", text) if "@" in text else text
    return _KEY.sub(REDACTED, text) if "k_" in text else text


def credentials_in(text: str) -> set[str]:
    """The credentials after the names of their schemes in a text, which may be JSON."""
    text = text.replace(r"\/", "/")
    return {found[2] for found in _AFTER_SCHEME.finditer(text) if _is_credential(found)}


def _is_credential(found: re.Match[str]) -> bool:
    """Whether a word after the name of a scheme is a credential, and no word of a language: `bearer token`.

    After `Basic` a colon is encoded in it. After `Bearer` it has a digit and at least eight characters, or letters of
    both cases and at least twenty.
    """
    scheme, word = found[1].lower(), unquote(found[2])
    if scheme == "basic":
        return b":" in _decoded_base64(word)
    is_long = len(word) >= _LEAST_OPAQUE and word not in (word.lower(), word.upper())
    return is_long or (len(word) >= _LEAST_BEARER and any(map(str.isdigit, word)))


def is_credential_name(name: str) -> bool:
    """Whether clients send a credential under such a name: `client_secret`, `passwd`, `X-Api-Key`."""
    return _CREDENTIAL_NAME.search(normalized(name)) is not None


def normalized(name: str) -> str:
    """The name without case and separators, in which `sipPassword` equals `sip_password`."""
    return name.lower().replace("_", "").replace("-", "")


def secret_names(names: Iterable[str]) -> Callable[[str], bool]:
    """The function that says whether a value under a name is, or may be, a secret: one of `names`, or a credential."""
    secret = {normalized(name) for name in names}
    return lambda name: normalized(name) in secret or is_credential_name(name)


def redact_fields(value: Json, names: Collection[str]) -> Json:
    """A copy of a JSON value with `***` under the names of secrets, however they are spelled, at any depth."""
    wanted = {normalized(name) for name in names}

    def redact(node: Json) -> Json:
        if isinstance(node, list):
            return [redact(item) for item in node]
        if isinstance(node, dict):
            return {key: REDACTED if normalized(key) in wanted else redact(item) for key, item in node.items()}
        return node

    return redact(value)


def redact_body(body: bytes, names: Collection[str]) -> bytes:
    """A JSON body with `***` under the names of secrets, at any depth. Any other body is unchanged."""
    try:
        text = read_json(body)
    except NotJSON:
        return body
    sent = [text.value, *text.variants]
    redacted = redact_fields(sent, names)
    return body if redacted == sent else json.dumps(redacted[0], ensure_ascii=False).encode("utf-8", "backslashreplace")


def redact_json(value: Json, is_secret: Callable[[str], bool], shown: Callable[[str], str]) -> Json:
    """A copy of a JSON value, ready to be sent: `***` under each secret name, and every other text as `shown`."""

    def text(found: str) -> str:
        return encodable(shown(found))

    def redact(node: Json) -> Json:
        if isinstance(node, list):
            return [redact(item) for item in node]
        if isinstance(node, dict):
            return {text(key): REDACTED if is_secret(key) else redact(item) for key, item in node.items()}
        if isinstance(node, str):
            return text(node)
        is_number = isinstance(node, int | float) and not isinstance(node, bool)
        return REDACTED if is_number and REDACTED in shown(str(node)) else node

    return redact(value)


def redact_pairs(text: str, separator: str, is_secret: Callable[[str], bool]) -> str:
    """A query, or a path whose parameters `;` separates, with `***` for each value under a secret name."""
    pairs = [pair.partition("=") for pair in text.split(separator)]
    return separator.join(
        name + equals + (REDACTED if value and is_secret(unquote(unquote(name))) else value)
        for name, equals, value in pairs
    )


def redact_header(name: str, value: str) -> str:
    """The value of a header field, or `***` in the place of a credential: `Bearer ***`."""
    if name not in SECRET_HEADERS and not is_credential_name(name):
        return value
    scheme, _, credential = value.partition(" ")
    return REDACTED if scheme.lower() not in AUTH_SCHEMES else f"{scheme} {REDACTED}" if credential else scheme


def secrets_in_body(body: bytes, names: Collection[str]) -> set[str]:
    """The strings under the names of secrets in a request body, at any depth, also in a body that is cut off."""
    wanted = {normalized(name) for name in names}
    return _strings_under(body, lambda name: normalized(name) in wanted, lambda _: None)


def secrets_in_request(request: Request, names: Collection[str]) -> set[str]:
    """All texts in a request that are or may be secret: under the names of secrets and of credentials, and others."""
    is_secret, found = secret_names(names), secrets_in_headers(request.headers)
    body = request.body.decode("utf-8", "replace")
    query, path = request.query, request.path.replace(";", "&")
    for form in (query, query.replace(";", "&") if ";" in query else "", path, body[:_LONGEST_FORM]):
        pairs = parse_qsl(form, errors="surrogateescape") if "=" in form else ()
        found.update(value for name, value in pairs if is_secret(unquote(name)))
    if body:
        found |= _strings_under(request.body, is_secret, str)
    target, fields = unquote(request.target), [value for _, value in request.headers]
    for text in (target, body, *fields):
        found.update(part for parts in _WITHIN_VALUE.findall(text) for part in parts if part)
    for text in (target, *fields, *([body] if '\\"' in body else [])):
        found |= _strings_in_text(text, is_secret)
    others = [value for name, value in request.headers if name not in SECRET_HEADERS]
    for name, value in (pair for text in others for pair in _ASSIGNED.findall(text)):
        if is_secret(unquote(name)):
            found |= {value.strip('"'), value.strip('"').partition("=")[2]} - {""}
    return found


def secrets_in_response(response: Response, names: Collection[str]) -> set[str]:
    """The values in a response under the names of secrets and of credentials, and credentials after their scheme."""
    wanted = {normalized(name) for name in names}
    is_secret, found = secret_names(names), secrets_in_headers(response.headers)
    found.update(value for name, value in response.headers if normalized(name) in wanted)
    texts = [value for _, value in response.headers]
    texts += [response.body.decode("utf-8", "replace")] if any(map(response.body.__contains__, _SCHEMES)) else []
    found.update(credential for text in texts for credential in credentials_in(text))
    present = {*_NAMES.findall(response.body)}
    if _ESCAPED_NAME.search(response.body) or any(is_secret(name.decode("utf-8", "replace")) for name in present):
        found |= _strings_under(response.body, is_secret, str)
    return found


def redactor_of_request(
    request: Request, names: Collection[str] = (), known: Collection[str] = ()
) -> Callable[[str], str]:
    """The function that redacts the secrets of a request in texts from it, except those that are known already.

    It redacts all texts from a request with more or longer secrets than can be searched for.
    """
    sent = secrets_in_request(request, names).difference(known)
    return Redactor(sent) if weight_of(sent) <= MOST_WEIGHT else lambda _: REDACTED


def weight_of(secrets: Iterable[str]) -> int:
    """The weight of secrets that are to be searched for."""
    return sum(len(secret) + _OVERHEAD for secret in secrets)


def _strings_under(body: bytes, is_secret: Callable[[str], bool], number: Callable[[str], Json]) -> set[str]:
    """The strings under secret names in a body, at any depth. `number` makes the value of a number."""
    try:
        read = json.loads(body, object_pairs_hook=tuple, parse_int=number, parse_float=number)
    except (ValueError, RecursionError):
        return _strings_in_text(body.decode("utf-8", "replace"), is_secret)
    found, rest = set[str](), [(read, False)]
    while rest:
        node, is_named = rest.pop()
        if isinstance(node, tuple):
            is_pair = any(name == "name" and isinstance(item, str) and is_secret(item) for name, item in node)
            rest += [(item, is_named or is_secret(name) or (is_pair and name == "value")) for name, item in node]
        elif isinstance(node, list):
            rest += [(item, is_named) for item in node]
        elif is_named and isinstance(node, str):
            found.add(node)
    return found


def _strings_in_text(text: str, is_secret: Callable[[str], bool]) -> set[str]:
    """The strings under secret names in JSON that stands in a text, also in a part of it, or escaped once."""
    plain = text.replace('\\"', '"') if '\\"' in text else ""
    return {value for part in (text, plain) for name, value in _NAMED_TEXT.findall(part) if is_secret(name)}


def secrets_in_header(value: str) -> set[str]:
    """The parts of an Authorization header that are not the name of a scheme."""
    return {part for part in re.split("[ \t]+", value) if part and part.lower() not in AUTH_SCHEMES}


def secrets_in_headers(headers: Headers) -> set[str]:
    """The values in the header fields that carry credentials; of a cookie the part after its name."""
    values = [value for name, value in headers if name in SECRET_HEADERS or is_credential_name(name)]
    parts = {part.strip(";") for value in values for part in secrets_in_header(value)}
    cookies = {part.partition("=")[2].strip("=") for part in parts}
    basic = {part for value in values if value[:6].lower() == "basic " for part in _parts_of_basic(value[6:])}
    return (parts | cookies | basic) - {""}


def _parts_of_basic(credential: str) -> tuple[str, ...]:
    """The user name, which can be an API key, and the password in a Basic credential (RFC 7617), also unpadded."""
    try:
        return _decoded_base64(credential.strip()).decode().partition(":")[::2]
    except ValueError:
        return ()


def _decoded_base64(text: str) -> bytes:
    """The bytes of a text in base64, which may lack its padding; none if it is not base64."""
    unpadded = text.rstrip("=")
    try:
        return base64.b64decode(unpadded + "=" * (-len(unpadded) % 4), validate=True)
    except ValueError:
        return b""


def printable(text: str) -> str:
    """The text on one line: whatever could steer a terminal, or cannot be encoded, is escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def printable_json(value: Json, redact: Callable[[str], str]) -> Json:
    """A copy of a JSON value whose texts, but not names, are redacted, each on one line."""
    if isinstance(value, str):
        return printable(redact(value))
    if isinstance(value, list):
        return [printable_json(item, redact) for item in value]
    if isinstance(value, dict):
        return {name: printable_json(item, redact) for name, item in value.items()}
    return value


def _forms(secret: str) -> set[tuple[str, bool]]:
    """The forms of a secret in lower case: as it is, reversed, escaped, and coded.

    The second value says whether a form has several characters for each one of the secret.
    """
    place = pointer((secret,))[1:]
    as_json = json.dumps(secret)[1:-1]
    data = secret.encode("utf-8", "replace")
    percent = quote(data, safe="")
    coded = [base64.b64encode(b"\0" * offset + data).decode()[4 if offset else 0 :] for offset in range(3)]
    in_base64 = [text.rstrip("=")[:-1] for text in coded]
    forms = {
        secret,
        secret[::-1],
        repr(secret)[1:-1],
        as_json,
        as_json.replace("/", r"\/"),
        html.escape(secret),
        place,
        percent,
        quote(data),  # a slash may stay as it is
        quote(percent, safe=""),
        quote(place.encode("utf-8", "replace"), safe=""),
        *in_base64,
        *(text.replace("+", "-").replace("/", "_") for text in in_base64),
    }
    in_hex = (data.hex(), "%" + data.hex("%"))
    return {(_lower(form), False) for form in forms} | {(form, True) for form in in_hex}


def _parts(form: str, is_coded: bool) -> Iterable[str]:
    """The texts by which a form is recognized: itself if it is short, else parts that together are all of it."""
    last = len(form) - _WINDOW
    if len(form) < _LONG:
        return (form,) if len(form) >= _SHORTEST else ()
    step = _WINDOW if is_coded or len(form) > _DENSE else 1
    return [form[at : at + _WINDOW] for at in (*range(0, last, step), last)]


def _lower(text: str) -> str:
    """The text in lower case, with each character at its place."""
    lower = text.lower()
    return lower if len(lower) == len(text) else "".join(c if len(c.lower()) > 1 else c.lower() for c in text)


class Masked(str):
    """A string that equals its value and prints as `***`: pytest prints the `repr` of the values in a failed test."""

    __slots__ = ()

    def __repr__(self) -> str:
        return REDACTED


class Secrets:
    """The secrets of one mock: the names of its secret fields, and all values that are known so far."""

    def __init__(self, names: Iterable[str], values: Iterable[str]) -> None:
        names = frozenset(names)
        self._names = {normalized(name) for name in names}
        self.has_name = secret_names(names)
        """Whether a value under this name is, or may be, a secret."""
        self._new = [*values]
        self._redactor = Redactor()

    def learn(self, record: Mapping[str, Any]) -> None:
        """Add the values of a record's secret fields."""
        self._new += [str(value) for name, value in record.items() if value and normalized(name) in self._names]

    def redact(self, text: str) -> str:
        """The text with `***` for each known value."""
        while self._new:
            self._redactor.add(self._new.pop())
        return self._redactor(text)

    def mask(self, value: Any, *, by_value: bool = False) -> Any:
        """A copy of a JSON value. Strings under a secret's name are `Masked`; with `by_value`, so are known values."""
        return self._mask(value, self.redact if by_value else str, named=False)

    def _mask(self, value: Any, redact: Callable[[str], str], *, named: bool) -> Any:
        if isinstance(value, dict):
            return {
                key: self._mask(item, redact, named=named or normalized(key) in self._names)
                for key, item in value.items()
            }
        if isinstance(value, list):
            return [self._mask(item, redact, named=named) for item in value]
        return Masked(value) if isinstance(value, str) and (named or redact(value) != value) else value
