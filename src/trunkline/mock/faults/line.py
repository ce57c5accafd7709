"""A fault in one line of text: `listTrunks offset=100: 503 x2, then 429 retry-after=1`.

Before the colon is the operation, with values of its parameters; after it are the steps. A word of a step is a status
(`503`), an error code (`INVALID_API_KEY`), a number of times (`x2`), or a key of `document.Step` with its value
(`delay=0.5`) or, where it needs none, without (`lose-answer`). Values with spaces are quoted as in JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple, NoReturn

import msgspec

from trunkline.errors import UsageError
from trunkline.exchange import Json, Request, has_lone_surrogate
from trunkline.findings import suggestion
from trunkline.mock.faults.document import (
    ANY,
    DEFAULTS,
    FIELDS,
    HALF_A_PAIR,
    LONGEST_LINE,
    WHEN,
    Fault,
    Step,
    reason_and_steps,
)
from trunkline.redaction import redactor_of_request

_WORD = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^\s"])+')
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_PLAIN = re.compile(r'[^\s"]+')
_STATUS = re.compile(r"[0-9]{3}")
_TIMES = re.compile(r"[xX]([0-9]{1,7})")
_CODE = re.compile(r"[A-Z][A-Z0-9_]+")
_METHOD_AND_PATH = re.compile(r"\s*[A-Za-z]+\s+(https?:/)?/")
_HEADER = "header."
_OF_STEP = FIELDS - {"operation", "vendor", "account", "where", "then", "headers"}
_KEYS = tuple(sorted(name.replace("_", "-") for name in _OF_STEP - {"status", "code", "times"}))
_BARE = {"close": "before", "reset": "before"} | dict.fromkeys(
    ("drain", "lose_answer", "half_write", "stale", "truncate", "malform", "drop", "null", "retype"), True
)
"""The values of the keys that can stand without one."""


class _Word(NamedTuple):
    column: int
    text: str


def parse_line(text: str, place: str = "", *, names_operation: bool = True) -> Fault:
    """The fault of a line. Raises `UsageError` with the place and the column of the mistake.

    The way out does not speak of an operation unless the line `names_operation`.
    """
    if len(text) > LONGEST_LINE:
        raise UsageError(f"{place or 'the fault'} is longer than {LONGEST_LINE} characters; write a table of TOML")
    return _LineReader(text, place, names_operation).fault()


class _LineReader:
    """Reads one line."""

    def __init__(self, text: str, place: str, names_operation: bool) -> None:
        self._text = text
        self._place = place
        self._names_operation = names_operation

    def fault(self) -> Fault:
        if _METHOD_AND_PATH.match(self._text):
            self._refuse(1, "give the operationId, such as listTrunks, in the place of method and path")
        head, words = self._split()
        steps: list[list[_Word]] = [[]]
        for word in words:
            if word.text == "then" and steps[-1]:
                steps.append([])
            else:
                steps[-1].append(word)
        if not steps[-1]:
            column = len(self._text.rstrip()) + 1
            self._refuse(column, "an effect is missing, such as 503, delay=0.5 or lose-answer")
        values = self._target(head)
        first, *others = map(self._step, steps)
        values |= first
        for other, step in zip(others, steps[1:], strict=True):
            if "seed" in other:
                self._refuse(step[0].column, "seed is about all steps; give it before the first 'then'")
        columns = {name: word.column for word in steps[0] for name, _ in self._value(word)}
        return self._convert({**values, "then": [*others]} if others else values, columns, [s[0].column for s in steps])

    def _split(self) -> tuple[list[_Word], list[_Word]]:
        """The words before the colon, and those after it. A comma before `then` is dropped."""
        rest = _WORD.sub(lambda match: " " * len(match[0]), self._text)
        if rest.strip():
            self._refuse(rest.index('"') + 1, "a quotation mark has no partner")
        words = [_Word(match.start() + 1, match[0]) for match in _WORD.finditer(self._text)]
        head: list[_Word] = []
        for number, (column, text) in enumerate(words):
            before, colon, after = text.partition(":")
            if text.endswith(":") and (number == 0 or "=" in text):
                head = [*words[:number], _Word(column, text[:-1])]
                words = words[number + 1 :]
                break
            if number == 0 and colon and "=" not in before:
                head = [_Word(column, before)]
                words = [_Word(column + len(before) + 1, after), *words[1:]]
                break
            if "=" not in text and number:
                break
        return head, [_Word(word.column, word.text.rstrip(",")) for word in words if word.text != ","]

    def _target(self, words: list[_Word]) -> dict[str, Json]:
        """The operation, and the values of its parameters: `listTrunks offset=100`."""
        if not words:
            return {}
        (column, operation), *pairs = words
        if not operation or "=" in operation:
            self._refuse(
                column, f"the line begins with an operation, or with {ANY} for any: {ANY} {operation}".rstrip()
            )
        values: dict[str, Json] = {"operation": operation}
        where: dict[str, str] = {}
        for place, word in pairs:
            name, equals, value = word.partition("=")
            if not equals:
                self._refuse(place, f"{word!r} is not the value of a parameter; write NAME=VALUE")
            if name in values or name in where:
                self._refuse(place, f"{word!r} says {name} again")
            (values if name in ("vendor", "account") else where)[name] = self._unquoted(place, value)
        return values | ({"where": where} if where else {})

    def _step(self, words: list[_Word]) -> dict[str, Json]:
        values: dict[str, Json] = {}
        for word in words:
            for name, value in self._value(word):
                if name in values and name != "headers":
                    self._refuse(word.column, f"{word.text!r} says {name.replace('_', '-')} again")
                values[name] = {**values[name], **value} if name in values else value
        return values

    def _value(self, word: _Word) -> Iterator[tuple[str, Json]]:
        """The field and its value for which a word stands."""
        column, text = word
        name, equals, value = text.partition("=")
        field = name.replace("-", "_")
        if field == "code" and _STATUS.fullmatch(value):
            yield "status", value
        elif equals and name.lower().startswith(_HEADER):
            yield "headers", {name[len(_HEADER) :]: self._unquoted(column, value)}
        elif equals and field in _OF_STEP:
            yield field, self._unquoted(column, value)
        elif equals:
            self._refuse(column, self._unknown(name))
        elif _STATUS.fullmatch(text):
            yield "status", text
        elif match := _TIMES.fullmatch(text):
            yield "times", match[1]
        elif field in _BARE:
            yield field, _BARE[field]
        elif field in _OF_STEP:
            self._refuse(column, f"{text} needs a value: {text}=...")
        elif _CODE.fullmatch(text):
            yield "code", text
        else:
            self._refuse(column, self._unknown(text))

    def _unknown(self, name: str) -> str:
        from trunkline.mock.faults.scenarios import scenarios  # noqa: PLC0415 - it needs this module

        if name in scenarios():
            return f"{name!r} is a scenario, not an effect; --scenario, scenario= or POST /_trunkline/scenarios sets it"
        meant = suggestion(name.replace("_", "-"), _KEYS)
        colon = "; after an operation comes a colon" if self._names_operation and ":" not in self._text else ""
        then = ", and ', then'" if self._names_operation else ""
        way = meant or f"; there are a status, an error code, xN for how often, {', '.join(_KEYS)}{then}"
        return f"{name[:40]!r} is no effect{way}{colon}"

    def _unquoted(self, column: int, text: str) -> str:
        """The text with its quoted parts read as JSON."""
        try:
            return _QUOTED.sub(lambda match: str(json.loads(match[0])), text)
        except ValueError:
            self._refuse(column, "the quoted text is not a JSON string")

    def _convert(self, values: dict[str, Json], columns: dict[str, int], begins: list[int]) -> Fault:
        if has_lone_surrogate(values):
            self._refuse(1, HALF_A_PAIR)
        try:
            return msgspec.convert(values, Fault, strict=False)
        except msgspec.ValidationError as error:
            reason, parts = reason_and_steps(error)
            column = begins[0]
            if parts[:1] == ["then"] and len(parts) > 1:
                column = begins[int(parts[1]) + 1]
            elif parts:
                column = columns.get(parts[0], 1)
            name = next((part for part in reversed(parts) if part in FIELDS - {"then"}), "")
            self._refuse(column, f"{name.replace('_', '-')}: {reason}".removeprefix(": "))

    def _refuse(self, column: int, reason: str) -> NoReturn:
        place = f"{self._place}, " if self._place else ""
        text = f'{self._text}"'  # so that a value without its second quotation mark counts, too
        redact = redactor_of_request(Request("GET", "/", headers=(("fault", text),)))
        raise UsageError(f"{place}column {column} of {_shown(redact(self._text))}: {redact(reason)}")


def _shown(text: str) -> str:
    return repr(text if len(text) <= 80 else f"{text[:79]}…")


# --- writing --------------------------------------------------------------------------------------------------------


def to_line(fault: Fault) -> str:
    """The line of a fault, which `parse_line` reads."""
    head = [fault.operation] + [
        f"{name}={_quoted(getattr(fault, name))}" for name in ("vendor", "account") if getattr(fault, name)
    ]
    head += [f"{name}={_quoted(str(value))}" for name, value in fault.where.items()]
    seed = "" if fault.seed is None else f" seed={fault.seed}"
    first, *others = map(to_words, fault.steps)
    return f"{' '.join(head)}: " + ", then ".join((first + seed, *others))


def to_words(step: Step) -> str:
    """Write a step as a part of a line: `503 retry-after=1 x2`."""
    names = ("status", "code", *(name for name in DEFAULTS if name not in ("status", "code", *WHEN)), *WHEN)
    values = {name: getattr(step, name) for name in names}
    return " ".join(word for name, value in values.items() if value != DEFAULTS[name] for word in _words(name, value))


def _words(name: str, value: Json) -> list[str]:
    """The words for a field: the short form, where there is one."""
    if name == "headers":
        return [f"{_HEADER}{field}={_quoted(text)}" for field, text in value.items()]
    if name == "status":
        return [str(value)]
    if name == "times":
        return [f"x{value}"]
    if name == "code" and _CODE.fullmatch(value) and not _TIMES.fullmatch(value):
        return [value]
    key = name.replace("_", "-")
    return [key] if value is True or _BARE.get(name) == value else [f"{key}={_quoted(_text(value))}"]


def _text(value: Json) -> str:
    return value if isinstance(value, str) else format(value, "g") if isinstance(value, float) else json.dumps(value)


def _quoted(text: str) -> str:
    plain = _PLAIN.fullmatch(text) and not text.endswith((":", ","))
    return text if plain else json.dumps(text, ensure_ascii=False)
