"""JSON Schema 2020-12. The only module that imports jsonschema_rs and jsonschema.

jsonschema-rs decides: it validates a page of 100 trunks a hundred times faster than jsonschema. jsonschema gives the
second opinion on a value that jsonschema-rs refuses, and is imported only then.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar
from urllib.parse import quote

import jsonschema_rs

from trunkline.contract.formats import FORMAT_CHECKS
from trunkline.errors import DataError
from trunkline.exchange import Json, pointer
from trunkline.findings import suggestion, to_text, truncate

if TYPE_CHECKING:
    from jsonschema import FormatChecker
    from referencing import Registry

_T = TypeVar("_T")

MAX_ERRORS = 2000
"""The number of errors of one value after which no more are looked for."""
_BASE = "https://trunkline.invalid/"
_LONGEST = 300
_LONGEST_WORD = 60
_MOST_LISTED = 12


Steps: TypeAlias = tuple[str | int, ...]
"""The steps through a schema to a keyword: `("properties", "status", "enum")`."""


@dataclass(frozen=True, slots=True)
class SchemaError:
    """One failed keyword: the pointer into the value, the steps through the schema, and the validator's own sentence.

    A missing property is at the pointer at which it is missed. The steps may contain the `$ref`s that were followed.
    """

    at: str
    steps: Steps
    keyword: str
    instance: Json
    message: str


class Schemas:
    """The schemas of one folder, compiled when they are first used: `errors("openapi.json#/paths/...", value)`."""

    def __init__(self, name: str, files: Mapping[str, Json]) -> None:
        self._base = f"{_BASE}{name}/"
        # A folder can be copied, so a schema is found by the name of its file, whatever its `$id` is.
        self._files = {
            file: {key: value for key, value in content.items() if key != "$id"} for file, content in files.items()
        }
        self._registry = jsonschema_rs.Registry([(self._base + file, it) for file, it in self._files.items()])
        self._validators: dict[str, jsonschema_rs.Draft202012Validator] = {}

    def accepts(self, place: str, value: Json) -> bool:
        """Whether the value obeys the schema at a place, for jsonschema-rs."""
        return _validate(self._validator(place).is_valid, value)

    def errors(self, place: str, value: Json) -> list[SchemaError]:
        """The keywords that the value breaks, for jsonschema-rs."""
        validator = self._validator(place)
        return [_error(error) for error in islice(_validate(validator.iter_errors, value), MAX_ERRORS)]

    def second_opinion(self, place: str, value: Json) -> list[SchemaError]:
        """The keywords that the value breaks, for jsonschema. Its steps contain no `$ref`."""
        from jsonschema import Draft202012Validator  # noqa: PLC0415 - takes 0.1 s, and is rarely needed

        validator = Draft202012Validator(
            {"$ref": self._reference(place)}, registry=self._second_registry, format_checker=format_checker()
        )
        errors = islice(validator.iter_errors(_without_surrogates(value)), MAX_ERRORS)
        return [
            SchemaError(
                at=pointer(error.absolute_path) + _missing_property(error),
                steps=tuple(error.absolute_schema_path),
                keyword=str(error.validator),
                instance=error.instance,
                message=truncate(_sentence(error), _LONGEST),
            )
            for error in errors
        ]

    def _reference(self, place: str) -> str:
        return self._base + quote(place, safe="#/~")

    def _validator(self, place: str) -> jsonschema_rs.Draft202012Validator:
        validator = self._validators.get(place)
        if validator is None:
            validator = jsonschema_rs.Draft202012Validator(
                {"$ref": self._reference(place)},
                registry=self._registry,
                validate_formats=True,
                formats=dict(FORMAT_CHECKS),
                offline=True,
            )
            self._validators[place] = validator
        return validator

    @cached_property
    def _second_registry(self) -> Registry[Json]:
        from referencing import Registry  # noqa: PLC0415 - jsonschema needs it
        from referencing.jsonschema import DRAFT202012  # noqa: PLC0415 - the same

        registry: Registry[Json] = Registry()
        return registry.with_resources(
            (self._base + file, DRAFT202012.create_resource(content)) for file, content in self._files.items()
        )


def _validate(validate: Callable[[Json], _T], value: Json) -> _T:
    """The verdict of jsonschema-rs, which can only be given values in UTF-8."""
    try:
        return validate(value)
    except UnicodeEncodeError:
        return validate(_without_surrogates(value))


def _error(error: jsonschema_rs.ValidationError) -> SchemaError:
    steps = tuple(error.evaluation_path[1:])  # the first is the `$ref` of the validator itself
    at, kind = pointer(error.instance_path), error.kind
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.Required):
        at += pointer((kind.property,))
    return SchemaError(at, steps, str(steps[-1]) if steps else "$ref", error.instance, "")


def _sentence(error: Any) -> str:
    """The sentence of an error of jsonschema, with its values as JSON: `null is not of type "string"`."""
    if error.validator is None:
        return f"False schema does not allow {to_text(error.instance)}"
    demand: Json = error.validator_value
    rest: str = error.message.removeprefix(repr(error.instance))
    begins = to_text(error.instance) if rest != error.message else ""
    names = demand if error.validator in {"type", "required"} and isinstance(demand, list) else ()
    for value in (demand, *names):
        rest = rest.replace(repr(value), to_text(value))
    return begins + rest


def _missing_property(error: Any) -> str:
    """The pointer to the property that a `required` error of jsonschema is about; empty for other errors."""
    if error.validator != "required":
        return ""
    missing = (name for name in error.validator_value if error.message == f"{name!r} is a required property")
    return pointer((next(missing),))


@lru_cache
def format_checker() -> FormatChecker:
    """The checks of our formats, for jsonschema."""
    from jsonschema import FormatChecker  # noqa: PLC0415 - takes 0.1 s, and is rarely needed

    checker = FormatChecker(formats=())
    for name, check in FORMAT_CHECKS.items():
        checker.checks(name)(lambda value, check=check: not isinstance(value, str) or check(value))
    return checker


def _without_surrogates(value: Json) -> Json:
    """The value with lone surrogates, which no UTF-8 text can hold, as U+FFFD."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    return value


def check_dialect(content: Json, name: str) -> None:
    """Raise `DataError` unless the content is a schema of JSON Schema 2020-12."""
    try:
        jsonschema_rs.meta.validate(content)
    except jsonschema_rs.ValidationError as error:
        raise DataError(name, pointer(error.instance_path), truncate(error.message, _LONGEST)) from None


@lru_cache
def is_pattern(text: str) -> bool:
    """Whether both validators can check values against the `pattern`."""
    try:
        re.compile(text)
        jsonschema_rs.Draft202012Validator({"pattern": text})
    except (re.error, OverflowError, RecursionError, jsonschema_rs.ValidationError):
        return False
    return True


@lru_cache
def _format_of(file: Path, kind: str) -> jsonschema_rs.Draft202012Validator:
    content = json.loads(file.read_text("utf-8"))
    parts = {name: content[name] for name in ("$defs", "components") if name in content}
    schema = {"$ref": f"#/{kind}" if "/" in kind else f"#/$defs/{kind}", **parts}
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True, offline=True)


def check_format(file: Path, kind: str, value: Json, name: str) -> None:
    """Raise `DataError` unless the value obeys `#/$defs/<kind>` of a schema of our own (`contract.schema.json`).

    In an OpenAPI document the kind is a place: `components/schemas/NewSession`.

    The reason quotes names, never a value: a value may be a password.
    """
    errors = list(_validate(_format_of(file, kind).iter_errors, value))
    if errors:
        error = max(errors, key=lambda error: (len(error.instance_path), _WORTH.get(error.kind.name, 1)))
        beside = (other.kind.as_dict() for other in errors if other.instance_path == error.instance_path)
        missing = [facts["property"] for facts in beside if "property" in facts]
        raise DataError(name, pointer(error.instance_path), truncate(_reason(error.kind, missing), _LONGEST))


_WORTH = {"oneOf": 0, "additionalProperties": 2, "propertyNames": 2}
"""Which of several errors at one place is reported: an unknown key is perhaps a missing one that is misspelled."""


def _reason(kind: Any, missing: list[str]) -> str:
    """The reason of an error as a sentence about the file: `lacks "token"`, `is not one of "list", "fetch"`."""
    facts = kind.as_dict()
    unknown = facts.get("unexpected", [facts["error"].instance] if kind.name == "propertyNames" else [])
    lacks = f", and lacks {_quoted(missing)}" if missing else ""
    meant = (suggestion(str(unknown[0]), missing) or lacks) if unknown else ""
    reasons = {
        "additionalProperties": f"has the unknown key {_quoted(unknown)}{meant}",
        "propertyNames": f"has the unknown key {_quoted(unknown)}{meant}",
        "required": f"lacks {_quoted([facts.get('property')])}",
        "type": f"is not of type {' or '.join(sorted(facts.get('types', [])))}",
        "enum": f"is not one of {_quoted(facts.get('options', []))}",
        "const": f"is not {to_text(facts.get('expected_value'))}",
        "format": f"is not of the format {facts.get('format')}",
        "pattern": f"does not match {facts.get('pattern')}",
        "falseSchema": "is not allowed here",
        "oneOf": "matches none of its allowed forms, or more than one",
    }
    return reasons.get(kind.name, f"breaks {kind.name}: {facts.get('limit')}")


def _quoted(values: Iterable[Json]) -> str:
    return ", ".join(truncate(to_text(value), _LONGEST_WORD) for value in values)


_TEXTS = {
    "type": ("is not of type {}", "must be of type {}"),
    "enum": ("is not one of {}", "must be one of {}"),
    "const": ("is not {}", "must be {}"),
    "format": ("is not a {}", "must be a {}"),
    "pattern": ("does not match {}", "must match {}"),
    "minimum": ("is less than {}", "must be at least {}"),
    "maximum": ("is more than {}", "must be at most {}"),
    "minLength": ("is shorter than {}", "must have at least {} characters"),
    "maxLength": ("is longer than {} characters", "must have at most {} characters"),
    "not": ("is a value that no page shows here", "breaks not"),
    "required": ("", "is required"),
}
"""For each keyword: the text for an instance that breaks it, and the demand of the keyword."""


def failure_text(keyword: str, value: Json, instance: Json) -> str:
    """Describe how an instance breaks a keyword: `"busy" is not one of "active", "inactive"`."""
    if keyword == "required":
        return "a required property is absent"
    text, _ = _TEXTS.get(keyword, (f"breaks {keyword}", ""))
    return f"{to_text(instance)} {text.format(_keyword_text(keyword, value))}"


def demand_text(keyword: str, value: Json) -> str:
    """Describe what a keyword demands, without the instance, which may be a secret: `must be at least 1`."""
    _, text = _TEXTS.get(keyword, ("", f"breaks {keyword}"))
    return text.format(_keyword_text(keyword, value, most=_MOST_LISTED))


def _keyword_text(keyword: str, value: Json, most: int = sys.maxsize) -> str:
    """The value of a keyword as text; of many choices, the first ones and the number of the others."""
    values = value if isinstance(value, list) else [value]
    if keyword == "type":
        return " or ".join(values)
    if keyword == "enum":
        first = ", ".join(map(to_text, values[:most]))
        return first if len(values) <= most else f"{first} and {len(values) - most} more"
    return to_text(value) if keyword == "const" else str(value)
