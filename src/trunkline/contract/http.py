"""Demands of HTTP on every response, by status and method (RFC 9110): the mock keeps them, and rules note a breach.

They are customary: no page of a vendor states them, so a breach never fails a run.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from http import HTTPStatus
from typing import NamedTuple

PORTS = {"http": 80, "https": 443}
"""The port of an address that names none, by its scheme."""
FIELD_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
"""The value of a header field (section 5.5)."""
JSON_MEDIA_TYPE = re.compile(r"application/([\w.+-]+\+)?json", re.IGNORECASE | re.ASCII)
_STATUSES = frozenset(map(int, HTTPStatus))
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
TOKEN = re.compile(_TOKEN)
"""A method, or the name of a header field (RFC 9110, section 5.6.2)."""
_HTTP_DATE = (
    r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-3][0-9] (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [0-9]{4} "
    r"[0-2][0-9]:[0-5][0-9]:[0-6][0-9] GMT"
)
"""Section 5.6.7: the form in which a sender must write a time."""


def reason_phrase(status: int) -> str:
    """The phrase that HTTP has for a status, `Not Found`; empty for one that it does not know."""
    return HTTPStatus(status).phrase if status in _STATUSES else ""


def plain_host(host: str) -> str:
    """The name of a host as it is compared: `API.acme.example.` is `api.acme.example`."""
    return host.lower().rstrip(".")


class HeaderField(NamedTuple):
    """A header field of responses: the form of its value, the statuses that require it, and the sections."""

    form: re.Pattern[str]
    section: str
    """The section that defines the field."""
    required_with: Collection[int] = ()
    required_by: str = ""
    """The section that requires it."""
    is_of_server: bool = False
    """Whether the server adds it, so that an application in the same process does not have it."""
    unless: str = ""
    """When a response may lack it nevertheless."""


FIELDS = {
    "www-authenticate": HeaderField(re.compile(rf"[ \t,]*{_TOKEN}([ \t,].*)?"), "11.6.1", (401,), "15.5.2"),
    "allow": HeaderField(re.compile(rf"({_TOKEN}|[ \t,])*"), "10.2.1", (405,), "15.5.6"),
    "proxy-authenticate": HeaderField(re.compile(rf"[ \t,]*{_TOKEN}([ \t,].*)?"), "11.7.1", (407,), "15.5.8"),
    "upgrade": HeaderField(re.compile(rf"[ \t,]*{_TOKEN}.*"), "7.8", (426,), "15.5.22"),
    "date": HeaderField(
        re.compile(_HTTP_DATE), "6.6.1", range(200, 500), "6.6.1", is_of_server=True, unless="the server has no clock"
    ),
    "accept-encoding": HeaderField(re.compile(rf"({_TOKEN}|[;= \t,])*"), "12.5.3"),
    "retry-after": HeaderField(re.compile(rf"[0-9]+|{_HTTP_DATE}"), "10.2.3"),
}
"""The fields by name. Two are nowhere required: `Retry-After` is for 413, 429, 503 and redirections, and
`Accept-Encoding` for a 415 because of a content coding."""

NO_CONTENT = {**dict.fromkeys(range(100, 200), "15.2"), 204: "15.3.5", 205: "15.3.6", 304: "15.4.5"}
"""The statuses whose responses have no content, with the section that says so."""

_UNRESERVED = re.compile("%(2[de]|3[0-9]|4[1-9a-f]|5[0-9af]|6[1-9a-f]|7[0-9ae])", re.IGNORECASE)

IMPLIED = ("HEAD", "OPTIONS")
"""The methods that no document needs to name: HEAD is wherever GET is (section 9.1), and OPTIONS describes a path."""

_HEAD = "9.3.2"


def missing_fields(status: int, names: Iterable[str]) -> list[str]:
    """The names (lower case) of the required fields that a response with these fields lacks."""
    present = frozenset(names)
    return [name for name, field in FIELDS.items() if status in field.required_with and name not in present]


def forbids_content(method: str, status: int) -> str:
    """The section that forbids content in a response to the method with the status, or an empty text."""
    return _HEAD if method == "HEAD" else NO_CONTENT.get(status, "")


def with_implied(methods: Iterable[str]) -> tuple[str, ...]:
    """The methods of a path in order, with those implied: the ones that `Allow` lists."""
    named = frozenset(methods)
    return tuple(sorted(named.union(IMPLIED if "GET" in named else IMPLIED[1:])))


def decode_unreserved(path: str) -> str:
    """The path as it is compared: `/%74runks/a%2Fb` is `/trunks/a%2Fb` (section 4.2.3; RFC 3986, section 6.2.2.2)."""
    return _UNRESERVED.sub(lambda found: chr(int(found[1], 16)), path) if "%" in path else path
