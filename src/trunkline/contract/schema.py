"""Owns JSON Schema 2020-12: the only importer of jsonschema_rs, so that one module knows its words.

jsonschema_rs rather than jsonschema: it judges a page of 100 trunks some hundred times faster, names the
path it took through every `$ref`, and is imported in milliseconds, where jsonschema with its format
checkers takes more than a second of a mock's start.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jsonschema_rs

from trunkline.errors import DataError
from trunkline.exchange import Json, pointer
from trunkline.findings import to_text, truncate

_BASE = "https://trunkline.invalid/"
_MOST = 2000
"""So many errors of one value tell what is wrong with it."""
_LONGEST = 300
_LONGEST_WORD = 60
_MOST_TOLD = 12


@dataclass(frozen=True, slots=True)
class SchemaError:
    """One failed keyword: where in the value, by which steps through the schema, `$ref`s among them."""

    at: str
    steps: tuple[str | int, ...]
    keyword: str
    instance: Json


class Schemas:
    """The schemas of one folder, compiled when first asked for: `errors("openapi.json#/paths/...", value)`."""

    def __init__(self, name: str, files: Mapping[str, Json]) -> None:
        self._base = f"{_BASE}{name}/"
        self._registry = jsonschema_rs.Registry([(self._base + file, content) for file, content in files.items()])
        self._compiled: dict[str, jsonschema_rs.Draft202012Validator] = {}

    def accepts(self, place: str, value: Json) -> bool:
        """Whether the value obeys the schema at a place."""
        try:
            return self._validator(place).is_valid(value)
        except UnicodeEncodeError:
            return self._validator(place).is_valid(_without_surrogates(value))

    def errors(self, place: str, value: Json) -> Iterator[SchemaError]:
        """Each keyword that the value breaks; a missing property stands at the place where it is missed."""
        try:
            found = list(islice(self._validator(place).iter_errors(value), _MOST))
        except UnicodeEncodeError:
            found = list(islice(self._validator(place).iter_errors(_without_surrogates(value)), _MOST))
        for error in found:
            steps = tuple(error.evaluation_path[1:])  # the first is this validator's own $ref
            at = pointer(error.instance_path)
            kind = error.kind
            if isinstance(kind, jsonschema_rs.ValidationErrorKind.Required):
                at += pointer((kind.property,))
            yield SchemaError(at, steps, str(steps[-1]) if steps else "$ref", error.instance)

    def _validator(self, place: str) -> jsonschema_rs.Draft202012Validator:
        validator = self._compiled.get(place)
        if validator is None:
            ref = {"$ref": self._base + quote(place, safe="#/~")}
            validator = jsonschema_rs.Draft202012Validator(
                ref, registry=self._registry, validate_formats=True, offline=True
            )
            self._compiled[place] = validator
        return validator


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
    """Raises `DataError` unless the content is a schema of JSON Schema 2020-12."""
    try:
        jsonschema_rs.meta.validate(content)
    except jsonschema_rs.ValidationError as error:
        raise DataError(name, pointer(error.instance_path), truncate(error.message, _LONGEST)) from None


@lru_cache
def is_format(word: str) -> bool:
    """Whether values can be checked against the `format`."""
    try:
        jsonschema_rs.Draft202012Validator({"format": word}, validate_formats=True, ignore_unknown_formats=False)
    except jsonschema_rs.ValidationError:
        return False
    return True


@lru_cache
def is_pattern(word: str) -> bool:
    """Whether values can be checked against the `pattern`."""
    try:
        jsonschema_rs.Draft202012Validator({"pattern": word})
    except jsonschema_rs.ValidationError:
        return False
    return True


@lru_cache
def _format_of(file: Path, kind: str) -> jsonschema_rs.Draft202012Validator:
    words = json.loads(file.read_text("utf-8"))["$defs"]
    schema = {"$ref": f"#/$defs/{kind}", "$defs": words}
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True, offline=True)


def check_format(file: Path, kind: str, value: Json, name: str) -> None:
    """Raises `DataError` unless the value obeys `#/$defs/<kind>` of one of our own formats (`contract.schema.json`).

    The reason names words, never a value: a value may be a password.
    """
    errors = list(_format_of(file, kind).iter_errors(value))
    if errors:
        error = max(errors, key=lambda error: (len(error.instance_path), error.kind.name != "oneOf"))
        raise DataError(name, pointer(error.instance_path), truncate(_told(error.kind), _LONGEST))


def _told(kind: Any) -> str:
    """What is wrong, in the words of the format: `lacks "token"`, `is not one of "list", "fetch"`."""
    said = kind.as_dict()
    unknown = said.get("unexpected", [said["error"].instance] if kind.name == "propertyNames" else [])
    words = {
        "additionalProperties": f"has the unknown word {_quoted(unknown)}",
        "propertyNames": f"has the unknown word {_quoted(unknown)}",
        "required": f"lacks {_quoted([said.get('property')])}",
        "type": f"is not of type {' or '.join(sorted(said.get('types', [])))}",
        "enum": f"is not one of {_quoted(said.get('options', []))}",
        "const": f"is not {to_text(said.get('expected_value'))}",
        "format": f"is not of the format {said.get('format')}",
        "pattern": f"does not match {said.get('pattern')}",
        "falseSchema": "is not allowed here",
        "oneOf": "has not one of the forms that it can have",
    }
    return words.get(kind.name, f"breaks {kind.name}: {said.get('limit')}")


def _quoted(values: Iterable[Json]) -> str:
    return ", ".join(truncate(to_text(value), _LONGEST_WORD) for value in values)


def in_words(keyword: str, value: Json, instance: Json) -> str:
    """How an instance breaks a keyword of that value: `"busy" is not one of "active", "inactive"`."""
    if keyword == "required":
        return "a required property is absent"
    seen = to_text(instance)
    words = {
        "type": f"{seen} is not of type {' or '.join(_listed(value))}" if keyword == "type" else "",
        "enum": f"{seen} is not one of {', '.join(map(to_text, _listed(value)))}",
        "const": f"{seen} is not {to_text(value)}",
        "format": f"{seen} is not a {value}",
        "pattern": f"{seen} does not match {value}",
        "minimum": f"{seen} is less than {value}",
        "maximum": f"{seen} is more than {value}",
        "minLength": f"{seen} is shorter than {value}",
        "maxLength": f"{seen} is longer than {value} characters",
        "not": f"{seen} is what no page shows here",
    }
    return words.get(keyword, f"{seen} breaks {keyword}")


def demanded(keyword: str, value: Json) -> str:
    """What a keyword of that value asks for, without the instance, which may be a secret: `must be at least 1`."""
    words = {
        "required": "is required",
        "type": f"must be of type {' or '.join(map(str, _listed(value)))}",
        "enum": f"must be one of {_few(_listed(value))}",
        "const": f"must be {to_text(value)}",
        "format": f"must be a {value}",
        "pattern": f"must match {value}",
        "minimum": f"must be at least {value}",
        "maximum": f"must be at most {value}",
        "minLength": f"must have at least {value} characters",
        "maxLength": f"must have at most {value} characters",
    }
    return words.get(keyword, f"breaks {keyword}")


def _few(values: list[Json]) -> str:
    """Some values in words; of many, how many there are."""
    told = ", ".join(map(to_text, values[:_MOST_TOLD]))
    return told if len(values) <= _MOST_TOLD else f"{told} and {len(values) - _MOST_TOLD} more"


def _listed(value: Json) -> list[Json]:
    return value if isinstance(value, list) else [value]
