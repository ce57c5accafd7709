"""The kinds of drift, and which of them break a client. docs/drift.md has the same table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class ChangeKind(NamedTuple):
    """A kind of difference: whether it breaks a client that relies on the documentation, and what has happened."""

    breaks: bool
    statement: str


CHANGE_KINDS: Mapping[str, ChangeKind] = {
    "property_missing": ChangeKind(True, "a required property is missing"),
    "property_gone": ChangeKind(True, "a property that the older recording has is gone"),
    "null": ChangeKind(True, "a value is null, which is not documented"),
    "type": ChangeKind(True, "a value has another type"),
    "value": ChangeKind(True, "a value is not one of those listed"),
    "format": ChangeKind(True, "a text has another format"),
    "range": ChangeKind(True, "a value, a length or a count is out of its bounds"),
    "shape": ChangeKind(True, "a body breaks another keyword of its schema"),
    "not_json": ChangeKind(True, "a body is not JSON"),
    "secret": ChangeKind(True, "a secret is shown that must never be"),
    "status": ChangeKind(True, "a success has a status that is not listed"),
    "code": ChangeKind(True, "an error has a code that is not listed for its status"),
    "rate_limit": ChangeKind(True, "a header of the rate limit is missing"),
    "header_gone": ChangeKind(True, "a header that the older recording has is gone"),
    "parameter_refused": ChangeKind(True, "a request within the documented bounds is refused"),
    "property": ChangeKind(False, "there is a new property"),
    "header": ChangeKind(False, "there is a new header"),
    "error_status": ChangeKind(False, "an error has a status that is not listed"),
    "error_code": ChangeKind(False, "an error of a status without listed codes has a code"),
    "parameter": ChangeKind(False, "a parameter that is not documented is answered with success"),
    "parameter_value": ChangeKind(False, "a value that must be refused is answered with success"),
}
"""A difference breaks a client if the response is one that a validator of the contract rejects, or if something is gone
that clients may use. It does not if the API only has more, or accepts more, than is documented."""

OF_KEYWORD: Mapping[str, str] = {
    "required": "property_missing",
    "type": "type",
    "enum": "value",
    "const": "value",
    "format": "format",
    "pattern": "format",
    **dict.fromkeys(
        (
            "minimum",
            "maximum",
            "exclusiveMinimum",
            "exclusiveMaximum",
            "minLength",
            "maxLength",
            "minItems",
            "maxItems",
        ),
        "range",
    ),
}
"""The kind of drift for each keyword of JSON Schema that a body breaks; `shape` for any other."""
