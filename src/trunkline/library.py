"""Owns the way from the two folders to a `Vendor`: reads the world, checks every record, lays records over others."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from string import Formatter

from trunkline.contract import Contract, Operation, View
from trunkline.errors import DataError, UsageError
from trunkline.exchange import Json, pointer
from trunkline.findings import Report
from trunkline.folders import names, roots
from trunkline.reader import load_json, read
from trunkline.schema import check_format
from trunkline.world import MOCK_ONLY, Collection, Grant, Record, Serve, World

_FORMAT = "world.schema.json"
_MESSAGE_WORDS = frozenset({"name", "bounds", "method", "allow", "path"})
_SHORTEST_SECRET = 8


@dataclass(frozen=True, slots=True, repr=False)
class Vendor:
    """A name that owns one contract and one world; `cases` are the pages' own samples, good and bad."""

    name: str
    contract: Contract
    world: World
    cases: tuple[Mapping[str, Json], ...]

    @property
    def secrets(self) -> frozenset[str]:
        """The values of the world that must never be printed: tokens, and secret fields of the records."""
        names = self.contract.secrets
        return frozenset(self.world.tokens) | {
            str(record[name])
            for collection in self.world.collections.values()
            for record in collection.records
            for name in names
            if record.get(name)
        }

    def validate(
        self,
        response: object = None,
        *,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | str | None = None,
        operation: str | None = None,
    ) -> Report:
        """What the rules say of one response: of `requests` or `httpx`, or as plain status, headers and body.

            >>> load("acme").validate(requests.get(url, headers=...)).findings
            ()

        The operation is inferred from the body where it can be. Raises `UsageError` when it cannot, or when what is
        given is no response.
        """
        from trunkline.sources import given, validation  # noqa: PLC0415 - one step up, for the caller's convenience

        said, known = given(response, status=status, headers=headers, body=body)
        return validation(self, said, known, operation)


def load(name: str, *, overlay: Path | None = None, trunks: int | None = None, seed: int = 0) -> Vendor:
    """A vendor's contract and world.

    `trunks` replaces the shipped records by that many plausible ones, the same for the same `seed`; `overlay` is a
    folder laid out as `fixtures/`, whose records are laid over them. Raises `UsageError` for an unknown name and
    `DataError` for data that break their format or fit nothing.
    """
    for root in roots() if name in names() else ():
        if (root / "schemas" / name).is_dir():
            contract = read(root / "schemas" / name, name)
            world = _world(root / "fixtures" / name, contract)
            cases = _cases(root / "fixtures" / name, contract)
            if trunks is not None:
                world = world.generated(trunks, seed)
            if overlay is not None:
                world = _overlaid(world, overlay / name, contract)
            return Vendor(name, contract, world, cases)
    raise UsageError(f"{name!r} is not a vendor; there are: {', '.join(names())}")


def _world(folder: Path, contract: Contract) -> World:
    label = f"fixtures/{contract.vendor}/world.toml"
    try:
        said = tomllib.loads((folder / "world.toml").read_text("utf-8"))
    except OSError as error:
        raise DataError(label, "", f"cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(label, "", f"is not TOML: {error}") from None
    check_format(_FORMAT, "world", said, label)
    tokens = [grant["token"] for grant in said["tokens"]]
    for index, token in enumerate(tokens):
        if token in tokens[:index]:
            raise DataError(label, f"/tokens/{index}/token", "the token is there twice")
    world = World(
        rate_limit=said["rate_limit"],
        tokens={grant["token"]: Grant(grant["account"], grant.get("refused", "")) for grant in said["tokens"]},
        envelope=said["errors"]["body"],
        words=said["refusals"],
        collections={
            name: Collection(how["identity"], how.get("generate", {}), ()) for name, how in said["collections"].items()
        },
        serves={
            name: Serve(how["verb"], how["collection"], tuple(how.get("order", ())), how["body"])
            for name, how in said["operations"].items()
        },
    )
    for at, reason in _lost(world, contract):
        raise DataError(label, at, reason)
    for name in world.collections:
        file = f"fixtures/{contract.vendor}/{name}.json"
        records = _records(folder / f"{name}.json", file, world, name, contract)
        world = world.with_records(name, records)
    return world


def _lost(world: World, contract: Contract) -> Iterator[tuple[str, str]]:
    """Each name in the world that names nothing, and each operation or cause that the world leaves out."""
    documented = {operation.operation_id for operation in contract.operations}
    for name in sorted(documented - set(world.serves)):
        yield "/operations", f"nothing serves the operation {name}"
    for name, serve in world.serves.items():
        at = f"/operations/{name}"
        if name not in documented:
            yield at, "the contract has no such operation"
        elif serve.collection not in world.collections:
            yield f"{at}/collection", f"there is no collection {serve.collection!r}"
        elif getattr(contract.operation(name), {"list": "listing", "fetch": "fetching"}[serve.verb]) is None:
            yield f"{at}/verb", f"the contract does not say how {name} would {serve.verb}"
        else:
            yield from _lost_words(serve, contract.operation(name), world, at)
    answers = [answer for operation in contract.operations for answer in operation.answers.values()]
    causes = {cause for answer in (*answers, *contract.answers.values()) for cause in answer.refusals}
    for cause in sorted(causes ^ set(world.words)):
        missing = cause in causes
        yield "/refusals", f"{cause} has no message" if missing else f"{cause} is not a cause that the contract answers"
    for cause, message in world.words.items():
        for word in _fields(message) - _MESSAGE_WORDS:
            yield f"/refusals/{cause}", f"nothing fills {{{word}}}; there can be: {', '.join(sorted(_MESSAGE_WORDS))}"


def _lost_words(serve: Serve, operation: Operation, world: World, at: str) -> Iterator[tuple[str, str]]:
    """Each field and each word of a body that nothing is behind."""
    for field in serve.order:
        if field.lstrip("-") not in operation.view:
            yield f"{at}/order", f"{field!r} is not a field that the operation documents"
    identity = world.collections[serve.collection].identity
    if identity not in operation.view:
        yield (
            f"/collections/{serve.collection}/identity",
            f"{identity!r} is not a field that {operation.operation_id} documents",
        )
    filled = {"item", "items", "total", *(parameter.name for parameter in operation.parameters)}
    stack: list[Json] = [serve.body]
    while stack:
        node = stack.pop()
        stack += node.values() if isinstance(node, dict) else ()
        for word in sorted(_fields(node) - filled) if isinstance(node, str) else ():
            yield f"{at}/body", f"nothing fills {{{word}}}; there can be: {', '.join(sorted(filled))}"


def _fields(text: str) -> set[str]:
    """The words in braces of a text."""
    try:
        return {word for _, word, _, _ in Formatter().parse(text) if word is not None}
    except ValueError:
        return {text}


def _records(path: Path, label: str, world: World, collection: str, contract: Contract) -> tuple[Record, ...]:
    records = load_json(path, label)
    check_format(_FORMAT, "records", records, label)
    check_records(records, label, world, collection, contract)
    return tuple(records)


def check_records(records: list[Record], label: str, world: World, collection: str, contract: Contract) -> None:
    """Raises `DataError` unless every record fits what the operations that serve its collection document."""
    serving = [contract.operation(name) for name, serve in world.serves.items() if serve.collection == collection]
    identity = world.collections[collection].identity
    accounts = {grant.account for grant in world.tokens.values()}
    views = [operation.view for operation in serving]
    seen: set[tuple[str, Json]] = set()
    for index, record in enumerate(records):
        at = f"/{index}"
        own = {name: value for name, value in record.items() if name != MOCK_ONLY and name not in contract.secrets}
        for place in _beyond(own, views):
            raise DataError(label, at + place, "no operation documents such a field")
        for name in contract.secrets:
            if name in record and not (isinstance(record[name], str) and len(record[name]) >= _SHORTEST_SECRET):
                reason = f"a secret is a text of {_SHORTEST_SECRET} characters or more, to be told from other texts"
                raise DataError(label, f"{at}/{name}", reason)
        for operation in serving:
            _check_record(operation, record, label, at)
        account = world.account_of(record)
        if account not in accounts:
            raise DataError(
                label,
                f"{at}/{MOCK_ONLY}/account",
                f"no token opens {account!r}; there are: {', '.join(sorted(accounts))}",
            )
        key = (account, record[identity])
        if key in seen:
            raise DataError(label, f"{at}/{identity}", f"{record[identity]!r} is there twice")
        seen.add(key)


def _beyond(record: Record, views: Sequence[View]) -> Iterator[str]:
    """The places in a record that no view shows."""
    for name, value in record.items():
        shown = [view[name] for view in views if name in view]
        nested = [view for view in shown if view]
        if not shown:
            yield pointer((name,))
        elif nested and isinstance(value, dict):
            yield from (pointer((name,)) + place for place in _beyond(value, nested))


def _check_record(operation: Operation, record: Record, label: str, at: str) -> None:
    for violation in operation.item_violations(cut(record, operation.view)):
        raise DataError(label, at + violation.at, f"{violation.message} ({violation.contract})")


def cut(record: Record, view: View) -> Record:
    """The part of a record that a view shows, in the view's order."""
    shown = {}
    for name, inner in view.items():
        if name in record:
            value = record[name]
            shown[name] = cut(value, inner) if inner and isinstance(value, dict) else value
    return shown


def _cases(folder: Path, contract: Contract) -> tuple[Mapping[str, Json], ...]:
    label = f"fixtures/{contract.vendor}/cases.json"
    cases = load_json(folder / "cases.json", label)
    check_format(_FORMAT, "cases", cases, label)
    known = {operation.operation_id for operation in contract.operations}
    for index, case in enumerate(cases):
        if case["operation"] not in known:
            raise DataError(label, f"/{index}/operation", f"the contract has no operation {case['operation']!r}")
    return tuple(cases)


def _overlaid(world: World, folder: Path, contract: Contract) -> World:
    if not folder.is_dir():
        wanted = ", ".join(f"{name}.json" for name in world.collections)
        raise UsageError(f"{folder.parent} has no folder {folder.name!r}; lay records out as {folder.name}/{wanted}")
    known = {f"{name}.json": name for name in world.collections}
    for path in sorted(folder.iterdir()):
        if path.name not in known:
            raise DataError(str(path), "", f"is not a file of records; there can be: {', '.join(known)}")
        name = known[path.name]
        world = world.overlaid(name, _records(path, str(path), world, name, contract))
    return world


def with_records(vendor: Vendor, collection: str, records: list[Record]) -> Vendor:
    """The vendor with these records only in a collection, checked as files are."""
    label = f"the records given for {vendor.name}'s {collection}"
    if collection not in vendor.world.collections:
        raise UsageError(f"{vendor.name} has no {collection!r}; there are: {', '.join(vendor.world.collections)}")
    check_format(_FORMAT, "records", records, label)
    check_records(records, label, vendor.world, collection, vendor.contract)
    return replace(vendor, world=vendor.world.with_records(collection, tuple(records)))


def with_tokens(vendor: Vendor, tokens: tuple[str, ...]) -> Vendor:
    """The vendor whose first account is opened by these tokens only; the other accounts keep theirs."""
    world = vendor.world
    mine = {token: Grant(world.account) for token in tokens}
    others = {
        token: grant for token, grant in world.tokens.items() if grant.account != world.account and token not in mine
    }
    return replace(vendor, world=replace(world, tokens={**mine, **others}))
