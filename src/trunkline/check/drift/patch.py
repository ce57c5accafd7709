"""A patch to the files of a contract, after which they allow what was observed. Each addition is graded `observed`.

    >>> patch = Patch.of(drift, {"trunk.json": text}, accepts=..., today="2026-11-28")
    >>> print(patch.diff("schemas/acme"))
    --- a/schemas/acme/trunk.json
    +++ b/schemas/acme/trunk.json
    ...

No finding rests on what was observed. Where a statement of a page was wrong, what is left of it keeps its evidence.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import unified_diff

from trunkline.check.drift.comparison import Change, Drift
from trunkline.check.drift.kinds import OF_KEYWORD
from trunkline.check.drift.profile import OTHERS, TYPES
from trunkline.contract.model import DOCUMENT, Contract
from trunkline.contract.rewriting import rewritten
from trunkline.errors import DataError
from trunkline.exchange import Json, has_lone_surrogate, pointer, resolve
from trunkline.findings import Grade, to_text
from trunkline.redaction import REDACTED

_ORDER = (*TYPES.values(),)


class _Unpatchable(Exception):
    """The format has no place for a change."""


@dataclass(frozen=True, slots=True)
class Patch:
    """The texts of the changed files before and after, by their names, and the changes that are not in them."""

    before: Mapping[str, str]
    after: Mapping[str, str]
    omitted: tuple[Change, ...]

    @classmethod
    def of(
        cls, drift: Drift, texts: Mapping[str, str], accepts: Callable[[Mapping[str, str]], None], today: str
    ) -> Patch:
        """The patch for all changes that the format can express.

        `texts` are the files of the contract. `accepts` raises `DataError` for files that cannot be loaded; then the
        changes that keep them from it are left out.
        """
        contract, redact = drift.profile.contract, drift.profile.redact
        changes, unwritable = _split(drift.changes, lambda change: _is_writable(change, redact))
        files = {name: json.loads(text) for name, text in texts.items()}

        def acceptable(files: Mapping[str, Json], changes: list[Change]) -> tuple[Mapping[str, Json], list[Change]]:
            """The files with all changes that keep them loadable, and the other changes."""
            if not changes:
                return files, []
            edited, left = _edited(contract, files, changes, today)
            try:
                accepts(_texts(texts, edited))
            except DataError:
                if len(changes) == 1:
                    return files, changes
                half = len(changes) // 2
                files, first = acceptable(files, changes[:half])
                files, second = acceptable(files, changes[half:])
                return files, first + second
            return edited, left

        edited, left = acceptable(files, changes)
        after = _texts(texts, edited)
        changed = {name: text for name, text in after.items() if text != texts[name]}
        return cls({name: texts[name] for name in changed}, changed, (*left, *unwritable))

    def diff(self, folder: str) -> str:
        """The patch as `git apply` and `patch -p1` take it, for files in a folder."""
        return "".join(_diff(f"{folder}/{name}", self.before[name], text) for name, text in self.after.items())


def _is_writable(change: Change, redact: Callable[[str], str]) -> bool:
    """Whether each name and value is whole, can be written as UTF-8, and is no secret."""
    values = [needed for needs in change.deviation.breaks.values() for needed in needs]
    texts = (*change.cause, *map(to_text, values))
    is_whole = not any(REDACTED in text or text.endswith("…") or redact(text) != text for text in texts)
    return is_whole and not has_lone_surrogate([*change.cause, *values])


def _diff(path: str, before: str, after: str) -> str:
    return "".join(
        unified_diff(before.splitlines(keepends=True), after.splitlines(keepends=True), f"a/{path}", f"b/{path}")
    )


def _texts(texts: Mapping[str, str], files: Mapping[str, Json]) -> dict[str, str]:
    return {name: rewritten(text, files[name]) for name, text in texts.items()}


def _edited(
    contract: Contract, files: Mapping[str, Json], changes: list[Change], today: str
) -> tuple[Mapping[str, Json], list[Change]]:
    """The files with the changes, and those that the format cannot express.

    Such a change may be written in part. So if there are any, the others are written to the files again.
    """
    edited = deepcopy(dict(files))
    written, left = _split(changes, lambda change: _write(_Draft(contract, edited, change, today)))
    if not left:
        return edited, []
    rest, more = _edited(contract, files, written, today)
    return rest, left + more


def _write(draft: _Draft) -> bool:
    """Write the change of a draft to its files; return whether the format can express all of it."""
    edit = _EDITS.get(draft.change.cause.kind)
    if edit is None or draft.change.cause.detail == OTHERS:
        return False
    try:
        edit(draft)
    except (_Unpatchable, LookupError):
        return False
    return True


def _split(changes: Iterable[Change], belongs: Callable[[Change], bool]) -> tuple[list[Change], list[Change]]:
    """The changes that belong, and the others, in their order."""
    found: tuple[list[Change], list[Change]] = [], []
    for change in changes:
        found[not belongs(change)].append(change)
    return found


@dataclass(frozen=True, slots=True)
class _Draft:
    """The files while one change is written to them."""

    contract: Contract
    files: dict[str, Json]
    change: Change
    today: str

    def place(self, reference: str) -> tuple[str, str]:
        """The file and the pointer of a reference: `schemas/acme/trunk.json#/properties/id`."""
        path, _, at = reference.partition("#")
        return path.removeprefix(f"{self.contract.folder}/"), at

    def node(self, reference: str) -> Json:
        """The part of a file at a reference."""
        file, at = self.place(reference)
        return resolve(self.files[file], at)

    def evidence(self, addition: str = "", source: str = "") -> dict[str, Json]:
        """The evidence for what was observed, with the date and the count."""
        deviation = self.change.deviation
        first, last = (_day(time, self.today) for time in (deviation.first, deviation.last))
        days = f"on {last}" if first == last or deviation.first is None else f"from {first} to {last}"
        times = "once" if deviation.count == 1 else f"{deviation.count} times"
        note = f"{addition + ' was ' if addition else ''}observed {times} {days}; no page says it"
        return {
            "grade": str(Grade.OBSERVED),
            **({"source": source} if source else {}),
            "note": note,
            "read": last,
        }

    def keyword(self, reference: str, addition: str) -> None:
        """Grade a keyword of a schema as observed. What its page says about it stays as the source."""
        file, at = self.place(reference)
        at, _, keyword = at.rpartition("/")
        own = self._own_evidence(file, at)
        stated = own.get("keywords", {}).get(keyword, own)
        found = self.evidence(addition, stated.get("source", ""))
        if stated is not own and stated["grade"] == Grade.OBSERVED:  # its note has what was observed before
            found["note"] = f"{found['note'].partition(';')[0]}; {stated['note']}"
        own.setdefault("keywords", {})[keyword] = found

    def note(self, file: str, at: str, sentence: str) -> None:
        """Add a sentence to the note of a schema's evidence."""
        own = self._own_evidence(file, at)
        seen = self.evidence()["note"].partition(";")[0]
        own["note"] = "; ".join(filter(None, [own.get("note"), f"{sentence} was {seen}"]))

    def _own_evidence(self, file: str, at: str) -> dict[str, Json]:
        """The evidence of a schema; one that has none gets a copy of that of the schema around it."""
        node, stated = self.files[file], dict[str, Json]()
        for step in ["", *at.split("/")[1:]] if at else [""]:
            node = resolve(node, pointer((step.replace("~1", "/").replace("~0", "~"),))) if step else node
            if isinstance(node, dict) and isinstance(found := node.get("x-trunkline"), dict) and "evidence" in found:
                stated = found["evidence"]
        if "$ref" in node:
            raise _Unpatchable
        if "evidence" not in node.get("x-trunkline", {}):
            inherited = {key: value for key, value in stated.items() if key != "keywords"}
            node.setdefault("x-trunkline", {})["evidence"] = inherited
        found = node["x-trunkline"]["evidence"]
        if not isinstance(found, dict):
            raise _Unpatchable
        return found


def _day(time: float | None, today: str) -> str:
    return today if time is None else datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d")


# --- what each change writes ----------------------------------------------------------------------------------------


def _broken_keywords(draft: _Draft) -> None:
    """Allow the value for each keyword that it breaks."""
    for reference, needs in draft.change.deviation.breaks.items():
        edit = _OF_KEYWORD.get(reference.rpartition("/")[2])
        if edit is None or not needs:
            raise _Unpatchable
        for needed in needs:
            edit(draft, reference, needed)


def _type(draft: _Draft, reference: str, needed: Json) -> None:
    node = draft.node(reference.rpartition("/")[0])
    types = {*([node["type"]] if isinstance(node["type"], str) else node["type"]), needed}
    node["type"] = _types(types)
    draft.keyword(reference, f"the type {needed}")


def _types(types: Collection[str]) -> str | list[str]:
    """The value of `type`: `string`, or `["string", "null"]`. A number includes every integer."""
    kept = {*types} - ({"integer"} if "number" in types else set())
    found = sorted(kept, key=lambda name: (name == "null", _ORDER.index(name)))
    return found[0] if len(found) == 1 else found


def _enum(draft: _Draft, reference: str, needed: Json) -> None:
    words = draft.node(reference)
    if to_text(needed) not in map(to_text, words):  # for Python, False is 0
        words.append(needed)
        draft.keyword(reference, json.dumps(needed, ensure_ascii=False))


def _const(draft: _Draft, reference: str, needed: Json) -> None:
    at = reference.rpartition("/")[0]
    node = draft.node(at)
    if "const" in node and "enum" in node:
        raise _Unpatchable
    if "const" in node:
        node["enum"] = [node.pop("const")]
    keywords = node.get("x-trunkline", {}).get("evidence", {}).get("keywords", {})
    if "const" in keywords:
        keywords["enum"] = keywords.pop("const")
    _enum(draft, f"{at}/enum", needed)


def _bound(draft: _Draft, reference: str, needed: Json) -> None:
    at, _, keyword = reference.rpartition("/")
    if keyword.startswith("exclusive"):
        raise _Unpatchable
    draft.node(at)[keyword] = needed
    draft.keyword(reference, f"{needed}")


def _dropped(draft: _Draft, reference: str, _: Json) -> None:
    """Leave out a keyword that the API does not keep to, and say so in the note of its schema."""
    at, _, keyword = reference.rpartition("/")
    node = draft.node(at)
    file, place = draft.place(at)
    draft.note(file, place, f"another {keyword} than {json.dumps(node[keyword], ensure_ascii=False)}")
    del node[keyword]
    extension = node["x-trunkline"]
    extension["evidence"].get("keywords", {}).pop(keyword, None)
    if not extension["evidence"].get("keywords", True):
        del extension["evidence"]["keywords"]
    if keyword == "pattern":
        extension.pop("pattern", None)


def _required(draft: _Draft, reference: str, name: Json) -> None:
    """Make a property optional, and say so in its note."""
    at = reference.rpartition("/")[0]
    node = draft.node(at)
    if name not in node["required"]:
        return
    node["required"] = [other for other in node["required"] if other != name]
    file, place = draft.place(at)
    with suppress(LookupError, _Unpatchable):  # a property by reference has no note of its own
        draft.note(file, f"{place}/properties{pointer((name,))}", "its absence")


_OF_KEYWORD: Mapping[str, Callable[[_Draft, str, Json], None]] = {
    "type": _type,
    "enum": _enum,
    "const": _const,
    "required": _required,
    "format": _dropped,
    "pattern": _dropped,
    **{keyword: _bound for keyword, kind in OF_KEYWORD.items() if kind == "range"},
}


def _property(draft: _Draft) -> None:
    properties = draft.node(draft.change.deviation.contract)
    types = {*draft.change.deviation.types}
    name = draft.change.cause.at.rpartition("/")[2].replace("~1", "/").replace("~0", "~")
    if name in ("$ref", "x-trunkline"):  # which mean something else in a schema
        raise _Unpatchable
    if name in properties:  # added for another operation
        known = properties[name]["type"]
        types |= {known} if isinstance(known, str) else {*known}
    properties[name] = {"type": _types(types), "x-trunkline": {"evidence": draft.evidence()}}


def _header(draft: _Draft) -> None:
    file, at = draft.place(draft.change.deviation.contract)
    response = resolve(draft.files[file], at.rpartition("/")[0])
    name = draft.change.cause.at.rpartition("/")[2]
    header = {"schema": {"type": "string"}, "x-trunkline": {"evidence": draft.evidence()}}
    response.setdefault("headers", {}).setdefault(name, header)


def _response(draft: _Draft) -> Json:
    """The response of an operation to a status; a new one if it is not listed."""
    operation = draft.contract.operation(draft.change.cause.operation)
    responses = resolve(draft.files[DOCUMENT], f"{operation.pointer}/responses")
    observed = {"description": "Observed in traffic.", "x-trunkline": {"evidence": draft.evidence()}}
    return responses.setdefault(draft.change.cause.status, observed)


def _code(draft: _Draft) -> None:
    cause = draft.change.cause
    response = _response(draft)
    if "$ref" in response:
        response = resolve(draft.files[DOCUMENT], response["$ref"][1:])
    response["x-trunkline"].setdefault("codes", {}).setdefault(cause.detail, draft.evidence())


def _parameter(draft: _Draft) -> None:
    operation = draft.contract.operation(draft.change.cause.operation)
    name, evidence = draft.change.cause.at.rpartition("/")[2], draft.evidence("success for a request with it")
    refused = {"grade": "decision", "note": "no page says what a repeated parameter gets"}
    found = {
        "name": name,
        "in": "query",
        "schema": {"type": "string"},
        "x-trunkline": {"evidence": evidence, "refused": {"parameter_repeated": refused}},
    }
    parameters = resolve(draft.files[DOCUMENT], operation.pointer).setdefault("parameters", [])
    if name not in [other["name"] for other in parameters]:
        parameters.append(found)


_EDITS: Mapping[str, Callable[[_Draft], object]] = {
    **dict.fromkeys((*OF_KEYWORD.values(), "null"), _broken_keywords),
    "property": _property,
    "header": _header,
    "status": _response,
    "error_status": _response,
    "code": _code,
    "error_code": _code,
    "parameter": _parameter,
}
"""The function that writes a change of each kind. The format has no place for the others."""
