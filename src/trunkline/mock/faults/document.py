"""The data of a fault: the requests that it matches, and what happens to their answers.

    [[faults]]
    operation = "listTrunks"
    where = { offset = "100" }
    status = 503
    times = 2
    then = [{ status = 429, retry_after = 1 }]

`trunkline faults --schema` prints the JSON Schema that is generated from these classes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Annotated, Any, TypeAlias, get_args

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from trunkline.contract.files import load_toml
from trunkline.contract.http import FIELD_VALUE, TOKEN
from trunkline.contract.times import DAY
from trunkline.errors import DataError
from trunkline.exchange import Json, has_lone_surrogate, pointer
from trunkline.findings import suggestion
from trunkline.mock.faults.delivery import Cut

MOST_SECONDS = 60.0
"""The longest delay of an answer: any client may ask for one."""
MOST_TEXT = 64 << 10
"""The most characters of a body or a message."""
LONGEST_LINE = 4096
"""The most characters of a fault in the words of `--fault`."""
HALF_A_PAIR = "a text holds half of a surrogate pair, which UTF-8 cannot encode"
ANY = "*"
"""Any operation, and any documented field."""

_DISTRIBUTION = re.compile(r"(uniform|lognormal)\(([0-9.]+),([0-9.]+)\)")
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?|\.[0-9]+")
_OF_SERVER = frozenset(("connection", "content-length", "date", "transfer-encoding"))

_SECONDS = f": seconds, at most {MOST_SECONDS:g}; or uniform(LOW,HIGH), or lognormal(MEDIAN,SIGMA)."
_FIELD = ": the one at this JSON Pointer, or any."

Duration: TypeAlias = float | str
Count: TypeAlias = Annotated[int, Meta(ge=1, le=1_000_000)]
Text: TypeAlias = Annotated[str, Meta(max_length=MOST_TEXT)]
Name: TypeAlias = Annotated[str, Meta(max_length=200)]
Calls: TypeAlias = Annotated[str, Meta(pattern=r"^[1-9][0-9]{0,8}(-([1-9][0-9]{0,8})?)?$")]
FieldName: TypeAlias = Annotated[str, Meta(min_length=1, max_length=100)]
Pointer: TypeAlias = Annotated[str, Meta(pattern=r"^(/([^~/]|~[01])*)+$", max_length=500)]


def _says(description: str) -> Meta:
    return Meta(description=description)


class Step(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """The changes that a fault makes to answers, and how many answers it changes."""

    times: Annotated[Count | None, _says("How many answers it changes at most.")] = None
    calls: Annotated[
        Calls | None, _says("Which of the matching calls it changes: 3, 2-3, or 2- from the second on.")
    ] = None
    window: Annotated[
        Annotated[float, Meta(gt=0, le=DAY)] | None,
        _says("For how many seconds after its first use it changes answers; then it is over."),
    ] = None
    chance: Annotated[float, Meta(gt=0, le=1), _says("The probability that it changes an answer.")] = 1.0

    status: Annotated[
        Annotated[int, Meta(ge=200, le=599)] | None,
        _says("The status of the answer. From 400 on, the request is not carried out."),
    ] = None
    code: Annotated[
        Name, _says("The answer is the documented refusal with this error code. The request is not carried out.")
    ] = ""
    message: Annotated[Text, _says("The message of that refusal.")] = ""
    body: Annotated[Any, _says("The body: a text as it is, any other value as JSON.")] | UnsetType = UNSET
    headers: Annotated[
        dict[FieldName, Text],
        Meta(max_length=20),
        _says("Header fields, in the place of those with the same names."),
    ] = {}
    content_type: Annotated[Name, _says("The Content-Type.")] = ""
    retry_after: Annotated[
        Annotated[int, Meta(ge=0, le=DAY)] | None,
        _says("The seconds in Retry-After. Without times, calls and window they are also the window."),
    ] = None

    delay: Annotated[Duration, _says(f"The time before the first byte{_SECONDS}")] = 0.0
    drip: Annotated[Duration, _says(f"The time over which the body is spread{_SECONDS}")] = 0.0
    close: Annotated[
        Cut | None, _says("Where the connection is closed. With before, the request is not carried out.")
    ] = None
    reset: Annotated[
        Cut | None, _says("Where the connection is reset. With before, the request is not carried out.")
    ] = None
    drain: Annotated[bool, _says("The answer has Connection: close, as that of a server that is about to end.")] = False

    lose_answer: Annotated[
        bool, _says("The request is carried out, and the connection is closed without an answer.")
    ] = False
    half_write: Annotated[
        bool | FieldName,
        _says("A create or an update says that it succeeded, but has not stored one field: this one, or any."),
    ] = False
    stale: Annotated[bool, _says("A read is answered as before the last write.")] = False
    skew: Annotated[
        int,
        Meta(ge=-3650 * DAY, le=3650 * DAY),
        _says("By how many seconds the clock is wrong: in Date, in the reset of the rate limit, in new times."),
    ] = 0

    truncate: Annotated[bool, _says("The body ends half way, and Content-Length says so.")] = False
    malform: Annotated[bool, _says("The body is not JSON: it has a comma too many.")] = False
    drop: Annotated[bool | Pointer, _says(f"A documented field is missing{_FIELD}")] = False
    null: Annotated[bool | Pointer, _says(f"A documented field is null{_FIELD}")] = False
    retype: Annotated[bool | Pointer, _says(f"A documented field has a value of another type{_FIELD}")] = False

    def __post_init__(self) -> None:  # noqa: C901 - one sentence for each mistake
        if not self._effects:
            raise ValueError("it has no effect; give one, such as status = 503")
        if self.close and self.reset:
            raise ValueError("close and reset exclude each other")
        if self.lose_answer and (self.status or self.code or self.body is not UNSET):
            raise ValueError("lose_answer has no answer to give; leave status, code and body out")
        if self.lose_answer and (self.close or self.reset or "before") != "before":
            raise ValueError("lose_answer closes before the answer; leave close and reset out")
        if self.truncate and self.malform:
            raise ValueError("truncate and malform exclude each other")
        if self.message and not (self.status or self.code):
            raise ValueError("message needs the status or the code of the answer that has it")
        if self.calls and self._last is not None and self._last < self._first:
            raise ValueError(f"calls is {self.calls}, which ends before it begins")
        for name, duration in (("delay", self.delay), ("drip", self.drip)):
            _check_duration(name, duration)
        for name, value in (*self.headers.items(), ("content-type", self.content_type)):
            if not TOKEN.fullmatch(name):
                raise ValueError(f"{name!r} is not the name of a header field")
            if not FIELD_VALUE.fullmatch(value):
                raise ValueError(f"the header field {name} has characters that no header field can have")
            if name.lower() in _OF_SERVER:
                raise ValueError(f"the header field {name} is the server's own; see drain, close and skew")

    @property
    def _effects(self) -> set[str]:
        """The fields that change an answer by themselves."""
        return {name for name in _EFFECTS if getattr(self, name) != DEFAULTS[name]}

    @property
    def _first(self) -> int:
        return int((self.calls or "1").partition("-")[0])

    @property
    def _last(self) -> int | None:
        first, dash, last = (self.calls or "").partition("-")
        return int(last) if last else int(first) if first and not dash else None

    @property
    def span(self) -> tuple[int, int | None]:
        """The first and the last of the matching calls whose answers may be changed."""
        return self._first, self._last

    @property
    def lasts(self) -> float | None:
        """The seconds after its first use in which it changes answers; None for no such bound."""
        bounded = self.times or self.calls or self.window
        return self.window if bounded or not self.retry_after else float(self.retry_after)

    @property
    def ends(self) -> bool:
        """Whether it is over some time."""
        return bool(self.times or self._last or self.lasts)

    @property
    def only_delays(self) -> bool:
        """Whether it changes nothing but the time of an answer."""
        return self._effects <= {"delay", "drip"}

    @property
    def only_changes_body(self) -> bool:
        """Whether it changes nothing but the body that the mock gives."""
        return self.retry_after is None and self._effects <= {"drop", "null", "retype", "malform", "truncate"}

    @property
    def cut(self) -> Cut | None:
        """The place at which the connection ends."""
        return self.close or self.reset or ("before" if self.lose_answer else None)


DEFAULTS: Mapping[str, Json] = {
    **dict(zip(Step.__struct_fields__, Step.__struct_defaults__, strict=True)),
    "headers": {},  # msgspec has a factory there
}
"""The fields of a step, each with its default."""
WHEN = ("calls", "window", "chance", "times")
"""The fields that say how often a step changes an answer."""
_EFFECTS = DEFAULTS.keys() - {*WHEN, "message", "retry_after"}


class Fault(Step, frozen=True, kw_only=True):
    """The requests that a fault matches, and the steps that it takes, one after the other."""

    operation: Annotated[
        Name,
        _says("An operationId; a kind: list, fetch, create, update, delete or act; read or write; * for any request."),
    ] = ANY
    vendor: Annotated[Name, _says("The vendor; by default any.")] = ""
    account: Annotated[Name, _says("The account that the credential opens; by default any.")] = ""
    where: Annotated[
        dict[FieldName, str | int],
        Meta(max_length=20),
        _says("The values that parameters of the path or the query must have."),
    ] = {}
    seed: Annotated[
        Annotated[int, Meta(ge=0, lt=2**53)] | None,
        _says("The same seed repeats the same chances, delays and changes."),
    ] = None
    then: Annotated[
        tuple[Step, ...], Meta(max_length=20), _says("The steps that follow, each when the one before it is over.")
    ] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        for step in self.steps[:-1]:
            if not step.ends:
                raise ValueError("a step before 'then' has no end; give it times, calls or a window")

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps, the fault's own first."""
        return (self, *self.then)

    def of(self, vendor: str) -> Fault:
        """The fault, for the requests to one vendor unless it names another."""
        return self if self.vendor else msgspec.structs.replace(self, vendor=vendor)


FIELDS = frozenset(Fault.__struct_fields__)


class FaultFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A list of faults; a text among them is one in the words of `--fault`."""

    faults: Annotated[list[Annotated[str, Meta(max_length=LONGEST_LINE)] | Fault], Meta(min_length=1, max_length=100)]


def json_schema(ref: str = "#/$defs/{name}") -> tuple[Json, dict[str, Json]]:
    """The JSON Schema of a file of faults, and its definitions."""
    _, components = msgspec.json.schema_components((FaultFile,), ref_template=ref)
    definitions: dict[str, Json] = msgspec.json.decode(msgspec.json.encode(components))  # lists for tuples
    return definitions.pop("FaultFile"), definitions


def seconds(duration: float | str, rng: Random) -> float:
    """The seconds of a duration, by chance if it is a distribution; at most `MOST_SECONDS`."""
    match = _DISTRIBUTION.fullmatch(str(duration))
    if match is None:
        return float(duration)
    name, low, high = match[1], float(match[2]), float(match[3])
    found = rng.uniform(low, high) if name == "uniform" else low * math.exp(high * rng.gauss(0, 1))
    return min(found, MOST_SECONDS)


def _check_duration(name: str, duration: float | str) -> None:
    text = str(duration)
    match = _DISTRIBUTION.fullmatch(text)
    numbers = match.groups()[1:] if match else (text,)
    if isinstance(duration, str) and not all(map(_NUMBER.fullmatch, numbers)):
        raise ValueError(f"{name} is not a number of seconds, uniform(LOW,HIGH) or lognormal(MEDIAN,SIGMA)")
    if not all(0 <= float(number) <= MOST_SECONDS for number in numbers):
        raise ValueError(f"{name} may be from 0 to {MOST_SECONDS:g} seconds")
    if match and match[1] == "uniform" and float(numbers[0]) > float(numbers[1]):
        raise ValueError(f"{name} is uniform between {numbers[0]} and {numbers[1]}; the lower bound comes first")


# --- reading --------------------------------------------------------------------------------------------------------


_PLACE = re.compile(r"(?s)(.*?)(?: - at `(\$.*)`)?$")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`")
_EXPECTED = re.compile(
    r"Expected `(?P<types>[^`]*)`(?:(?P<length> of length)? (?P<than>[<>]=?) (?P<bound>\d+)[.\d]*)?(?:, got `\w+`)?"
)
_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "bool": "true or false",
    "object": "an object",
    "array": "a list",
}
_BOUNDS = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}


def parse_fault(value: Json, file: str = "the fault", at: str = "", *, strict: bool = True) -> Fault:
    """A fault from a JSON value, or from a text in the words of `--fault`.

    Raises `DataError` with the file and the place below `at`. Without `strict`, texts may stand for numbers.
    """
    from trunkline.mock.faults.line import parse_line  # noqa: PLC0415 - it needs this module

    if isinstance(value, str):
        return parse_line(value, file if not at else f"{file}#{at}")
    _check_json(value, file, at)
    try:
        return msgspec.convert(value, Fault, strict=strict)
    except msgspec.ValidationError as error:
        raise _data_error(error, file, at) from None


def parse_faults(value: Json, file: str = "the body") -> list[Fault]:
    """The faults of `{"faults": [...]}`. Raises `DataError`, or `UsageError` for a line."""
    _check_json(value, file, "")
    if not isinstance(value, dict) or value.keys() != {"faults"}:
        other = next((name for name in value if name != "faults"), "") if isinstance(value, dict) else ""
        there_is = other and f"there is no {other[:40]!r} here; "
        raise DataError(file, "", f'{there_is}the one key is faults, a list such as ["listTrunks: 503 x2"]')
    try:
        found = msgspec.convert(value, FaultFile)
    except msgspec.ValidationError as error:
        raise _data_error(error, file, "") from None
    return [
        parse_fault(fault, file, f"/faults/{number}") if isinstance(fault, str) else fault
        for number, fault in enumerate(found.faults)
    ]


def load_faults(path: Path) -> list[Fault]:
    """The faults of a TOML file. Raises `DataError`, or `UsageError` for a line."""
    return parse_faults(load_toml(path, str(path)), str(path))


def _check_json(value: Json, file: str, at: str) -> None:
    try:
        is_text = not has_lone_surrogate(value)
    except (TypeError, ValueError, RecursionError) as error:  # from Python, any value can come
        raise DataError(file, at, f"it is not JSON: {error}") from None
    if not is_text:
        raise DataError(file, at, HALF_A_PAIR)


def reason_and_steps(error: msgspec.ValidationError) -> tuple[str, list[str]]:
    """The reason of an error of msgspec, and the steps to its place: `$.faults[0].status` -> `["faults", "0", ...]`."""
    match = _PLACE.fullmatch(str(error))
    reason, place = (match[1], match[2] or "$") if match else (str(error), "$")
    if unknown := _UNKNOWN.fullmatch(reason):
        meant = suggestion(unknown[1], FIELDS) or "; `trunkline docs mock faults` lists the keys of a fault"
        reason = f"there is no {unknown[1][:40]!r}{meant}"
    elif reason.startswith("Invalid enum value"):
        reason = f"it is none of: {', '.join(get_args(Cut))}"
    elif "matching regex" in reason:
        reason = "it is not like 3, 2-3 or 2-" if place.endswith("calls") else "it is no JSON Pointer, such as /id"
    elif match := _EXPECTED.fullmatch(reason):
        types = [name for name in match["types"].split(" | ") if name != "null"]
        bound = match["than"] and f", {_BOUNDS[match['than']]} {match['bound']}{' long' if match['length'] else ''}"
        reason = f"give {' or '.join(_TYPES.get(name, name) for name in types)}{bound or ''}"
    return reason[:1].lower() + reason[1:], re.findall(r"[^.\[\]]+", place[1:])


def _data_error(error: msgspec.ValidationError, file: str, at: str) -> DataError:
    reason, steps = reason_and_steps(error)
    return DataError(file, at + pointer(steps), reason)
