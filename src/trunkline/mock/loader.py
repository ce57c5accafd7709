"""Load a `Vendor` from its two folders, and replace its records by others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import chain
from pathlib import Path
from traceback import extract_tb
from typing import Any

from msgspec import convert

from trunkline.contract.bodies import at_pointer
from trunkline.contract.files import check_value, load_json, load_toml
from trunkline.contract.folders import names, roots
from trunkline.contract.loader import read_contract
from trunkline.contract.model import Contract
from trunkline.contract.schema import check_format
from trunkline.errors import DataError, TrunklineError, UsageError
from trunkline.exchange import Json
from trunkline.findings import Report, to_text, truncate
from trunkline.mock.generators import Record
from trunkline.mock.lint import (
    lint_accounts,
    lint_grants,
    lint_records,
    lint_responses,
    lint_world,
    possible_values,
    refusal_bodies,
)
from trunkline.mock.world import Behavior, Collection, Grant, World
from trunkline.redaction import redactor

_WORLD = "world.toml"
_OVERLAID = ("tokens", "rate_limit")
"""The keys of an overlay's world.toml."""
_LONGEST_KEY = 40
_SCHEMA = Path(__file__).with_name("world.schema.json")
_EXAMPLES = 5
_MOST_CHILDREN = 1000
"""The number of generated records that belong to generated ones: more would cost the memory of as many trunks."""
_SAMPLE = 50
"""The number of generated records that are linted; the others come from the same generators."""


@dataclass(frozen=True, slots=True, repr=False)
class Vendor:
    """A vendor: its contract, its mock world, and in `cases` the samples of its pages, good and bad."""

    name: str
    contract: Contract
    world: World
    cases: tuple[Mapping[str, Json], ...]
    shared: dict[str, Any] = field(init=False, compare=False, default_factory=dict)
    """The operations with their encoded records, by operationId. The first mock makes them; later ones share them."""

    @property
    def secrets(self) -> frozenset[str]:
        """The values that must never be printed: tokens, and the secret fields of records."""
        return _secrets(self.world, self.contract)

    @property
    def example_ids(self) -> dict[str, list[Json]]:
        """A few ids of the first token's account for each resource: `{"trunks": ["trunk_1", "trunk_2"]}`."""
        tables, account = self.world.tables(), self.world.account
        return {name: [*tables.get((name, account), ())][:_EXAMPLES] for name in self.world.collections}

    @property
    def example_bodies(self) -> dict[str, dict[str, Json]]:
        """Examples of the body of each response, by its pointer: samples of the pages, else what the mock sends."""
        bodies: dict[str, dict[str, Json]] = {}
        code = self.contract.errors.code
        for case in self.cases:
            response = self.contract.operation(case["operation"]).response_for(case["status"])
            if response and not case["breaks"]:
                known = {refusal.code for refusal in response.refusals.values()}
                if response.key.startswith("2") or at_pointer(case["body"], code) in known:
                    bodies.setdefault(response.pointer, {})[case["name"]] = case["body"]
        shown = frozenset(bodies)
        for response, cause, body in refusal_bodies(self.world, self.contract):
            if response.pointer not in shown:
                bodies.setdefault(response.pointer, {})[cause] = body
        return bodies

    def validate(
        self,
        response: object = None,
        *,
        status: int | None = None,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
        body: Json = None,
        operation: str | None = None,
    ) -> Report:
        """Judge one response by the rules: an object of another library, or plain status, headers and body.

            >>> load("acme").validate(requests.get(url, headers=...)).findings
            ()

        The object is a response of requests, httpx, urllib3, aiohttp or urllib, or of the test client of Flask, Django
        or Starlette. `headers` is a mapping or pairs; `body` is text, bytes or a JSON value. The operation is that of
        the response's request, or is inferred from the body. Raises `UsageError` when there is none, or when
        `response` is not a response.
        """
        from trunkline.traffic.validation import validate_response  # noqa: PLC0415 - up, for the caller's convenience

        return validate_response(self, response, status=status, headers=headers, body=body, operation=operation)


def overlays(folder: Path, vendors: Sequence[str]) -> dict[str, Path]:
    """The folder as the overlay of each of the vendors that it has data of. Raises `UsageError` if there is none."""
    if not folder.is_dir():
        raise UsageError(f"{str(folder)!r} is not a folder; name one that has VENDOR/RECORDS.json or VENDOR/world.toml")
    found = {name: folder for name in vendors if (folder / name).is_dir()}
    if not found:
        raise UsageError(
            f"{str(folder)!r} has no folder named {' or '.join(vendors)}; "
            "lay the data out as VENDOR/RECORDS.json and VENDOR/world.toml"
        )
    return found


def load(
    name: str, *, overlay: Path | None = None, trunks: int | None = None, seed: int = 0, lint: bool | None = None
) -> Vendor:
    """Load a vendor's contract and world.

    `trunks` replaces the shipped records of each collection that has generators by that many plausible ones, the same
    for the same `seed`; of records that belong to others, at most a thousand. `overlay` is a folder laid out as
    `fixtures/`; its records and tokens replace those with the same id or text, and are added to the others.

    `lint` says whether the data is linted. By default all data is, except that which ships with trunkline and is linted
    by its tests: folders named by `TRUNKLINE_DATA`, overlays, generated records.

    Raises `UsageError` for an unknown name, and `DataError` for data that break their format or the contract.
    """
    if name not in names():
        raise UsageError(f"{name!r} is not a vendor; there are: {', '.join(names())}; TRUNKLINE_DATA adds your own")
    root = root_of(name)
    strict = root != roots()[0] if lint is None else lint
    vendor = _read(root, name, lint=strict)
    contract, world, cases = vendor.contract, vendor.world, vendor.cases
    with _naming_the_folder(f"fixtures/{name}"):
        if trunks is not None:
            world = _generated(vendor, trunks, seed).world
    if overlay is not None:
        with _naming_the_folder(str(overlay / name)):
            world = _overlaid(world, overlay / name, contract)
    if strict or trunks is not None or overlay is not None:
        _lint_responses(world, contract)
    return Vendor(name, contract, world, cases)


def root_of(name: str) -> Path:
    """The folder that holds `schemas/` and `fixtures/` of a vendor. The first of `roots` ships with trunkline."""
    return next(root for root in roots() if (root / "schemas" / name).is_dir())


def lint_schemas(name: str, schemas: Path) -> None:
    """Raise `DataError` unless a folder of schemas can replace that of a vendor, whose fixtures stay."""
    vendor = _read(root_of(name), name, lint=True, schemas=schemas)
    _lint_responses(vendor.world, vendor.contract)


def _read(root: Path, name: str, *, lint: bool, schemas: Path | None = None) -> Vendor:
    """Read the data of a vendor as they are."""
    with _naming_the_folder(f"schemas/{name}"):
        contract = read_contract(schemas or root / "schemas" / name, name, lint=lint)
    with _naming_the_folder(f"fixtures/{name}"):
        world = _world(root / "fixtures" / name, contract, lint=lint)
        cases = _cases(root / "fixtures" / name, contract, lint=lint)
    return Vendor(name, contract, world, cases)


def _lint_responses(world: World, contract: Contract) -> None:
    """Raise `DataError` for the first response of the mock that breaks the contract."""
    with _naming_the_folder(f"fixtures/{contract.vendor}"):
        for at, reason in lint_responses(world, contract):
            redact = redactor(_secrets(world, contract))
            raise DataError(f"fixtures/{contract.vendor}/{_WORLD}", at, redact(reason))


@lru_cache(maxsize=1)
def _tokens(folders: tuple[Path, ...]) -> Mapping[str, str]:
    """The vendor of each token in the fixtures below these folders."""
    found: dict[str, str] = {}
    with suppress(TrunklineError, LookupError, TypeError):  # reported when that vendor is loaded
        for path in sorted(path for folder in folders for path in folder.glob("fixtures/*/world.toml")):
            for grant in load_toml(path, path.name)["tokens"]:
                found.setdefault(grant["token"], path.parent.name)
    return found


def other_vendor(vendor: str, token: str) -> str:
    """The other vendor whose fixtures have a token that this one does not know, or empty: clients mix tokens up."""
    owner = _tokens(roots()).get(token, "")
    return owner if owner != vendor else ""


@contextmanager
def _naming_the_folder(folder: str) -> Iterator[None]:
    """Turn an unexpected error while a folder is loaded into a `DataError` that quotes nothing of its contents."""
    try:
        yield
    except TrunklineError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever the data cause is an error of the data
        place = extract_tb(error.__traceback__)[-1].name
        raise DataError(folder, "", f"cannot be understood: {type(error).__name__} in {place}") from None


def _world(folder: Path, contract: Contract, *, lint: bool) -> World:
    label = f"fixtures/{contract.vendor}/{_WORLD}"
    content = load_toml(folder / _WORLD, label)
    if lint:
        check_format(_SCHEMA, "world", content, label)
    resources = {operation.operation_id: operation.resource for operation in contract.operations}
    messages = content["refusals"].items()
    world = World(
        rate_limit=int(content["rate_limit"]),
        account=content["tokens"][0]["account"],
        tokens=_grants(content["tokens"], label),
        error_body=content["errors"]["body"],
        messages={cause: {"": text} if isinstance(text, str) else text for cause, text in messages},
        collections={name: convert(node, Collection) for name, node in content["collections"].items()},
        behaviors={name: _behavior(node, resources.get(name, "")) for name, node in content["operations"].items()},
    )
    if lint:
        for at, reason in lint_world(world, contract):
            raise DataError(label, at, reason)
    fixtures = f"fixtures/{contract.vendor}"
    for name in world.collections:
        records = _records(folder / f"{name}.json", f"{fixtures}/{name}.json", world, name, contract, lint=lint)
        world = world.with_records(name, records)
    if lint:
        _check_parents(world, fixtures)
    return world


def _grants(nodes: Sequence[Mapping[str, Json]], label: str) -> dict[str, Grant]:
    """The grant of each token in a list of a world.toml."""
    grants: dict[str, Grant] = {}
    for index, node in enumerate(nodes):
        if node["token"] in grants:
            raise DataError(label, f"/tokens/{index}/token", "the token is there twice")
        grants[node["token"]] = convert(node, Grant)
    return grants


def _behavior(node: Mapping[str, Json], resource: str) -> Behavior:
    """The behavior of an operation; only the verb `answer` names several outcomes, the others are one themselves."""
    guards = [guard for guards in node.get("guards", ()) for guard in guards.items()]
    return convert({"outcomes": [node], **node, "guards": guards, "collection": resource}, Behavior)


def _check_parents(world: World, folder: str, own: Mapping[str, tuple[Record, ...]] | None = None) -> None:
    """Raise `DataError` for the first record whose parent is missing. Of an overlay, only `own` records can be one."""
    for name, index, parent in world.orphans():
        if own is not None:
            record = world.collections[name].records[index]
            index = next(at for at, other in enumerate(own[name]) if other is record)  # noqa: PLW2901 - in its own file
        reason = f"there is no such record in {parent.collection}"
        raise DataError(f"{folder}/{name}.json", f"/{index}/{parent.field}", reason)


def _records(
    path: Path, label: str, world: World, collection: str, contract: Contract, *, lint: bool = True
) -> tuple[Record, ...]:
    records = load_json(path, label, lint=lint)
    if lint:
        check_format(_SCHEMA, "records", records, label)
        check_records(records, label, world, collection, contract)
    return tuple(records)


def check_records(records: list[Record], label: str, world: World, collection: str, contract: Contract) -> None:
    """Raise `DataError` for the first record that breaks the schemas of the operations on its collection."""
    for at, reason in chain(lint_records(records, world, collection, contract), lint_accounts(records, world)):
        secrets = _secrets(world.with_records(collection, tuple(records)), contract) | _secrets(world, contract)
        raise DataError(label, at, redactor(secrets)(reason))


def _secrets(world: World, contract: Contract) -> frozenset[str]:
    """Tokens, and the secret fields of records."""
    return frozenset(world.tokens) | {
        str(record[name])
        for collection in world.collections.values()
        for record in collection.records
        for name in contract.secrets
        if record.get(name)
    }


def _cases(folder: Path, contract: Contract, *, lint: bool) -> tuple[Mapping[str, Json], ...]:
    label = f"fixtures/{contract.vendor}/cases.json"
    cases = load_json(folder / "cases.json", label, lint=lint)
    if lint:
        check_format(_SCHEMA, "cases", cases, label)
        known = {operation.operation_id for operation in contract.operations}
        for index, case in enumerate(cases):
            if case["operation"] not in known:
                raise DataError(label, f"/{index}/operation", f"the contract has no operation {case['operation']!r}")
    return tuple(cases)


def _generated(vendor: Vendor, count: int, seed: int) -> Vendor:
    """The vendor with generated records. Some of them, and the values at the limits of generators, are linted."""
    from trunkline.mock.factory import generate  # noqa: PLC0415 - it imports this module

    specs = {name: collection.generate for name, collection in vendor.world.collections.items() if collection.generate}
    limits = {name: [*possible_values(spec)] for name, spec in specs.items()}
    parents = {name: vendor.world.collections[name].parent for name in specs}
    generated = generate(vendor, {name: min(count, _MOST_CHILDREN) if parents[name] else count for name in specs}, seed)
    sample = generate(vendor, {name: min(count, _SAMPLE) + len(values) for name, values in limits.items()}, seed)
    for name, values in limits.items():
        records = sample.world.collections[name].records
        whole = len(records) - len(values)
        changed = [{**record, field: value} for record, (field, value) in zip(records[whole:], values, strict=True)]
        label, world = f"fixtures/{vendor.name}/world.toml", vendor.world.with_records(name, ())
        try:
            check_records([*records[:whole], *changed], label, world, name, vendor.contract)
        except DataError as error:
            at = "/fields".join(f"/{part}" for part in error.pointer.split("/")[2:])
            raise DataError(error.file, f"/collections/{name}/generate{at}", error.reason) from None
    return generated


def _overlaid(world: World, folder: Path, contract: Contract) -> World:
    known = {f"{name}.json": name for name in world.collections}
    files = ", ".join((*known, _WORLD))
    if not folder.is_dir():
        raise UsageError(f"{folder.parent} has no folder {folder.name!r}; put {files} into it")
    paths = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".") and path.suffix != ".md"]
    if not paths:
        raise UsageError(f"{folder} holds no data; put {files} into it")
    own: dict[str, tuple[Record, ...]] = {}
    for path in sorted(paths, key=lambda path: path.name != _WORLD):  # first, because records may name its accounts
        if path.name == _WORLD:
            world = _with_own_tokens(world, path, contract)
        elif path.name in known:
            name = known[path.name]
            own[name] = _records(path, str(path), world, name, contract)
            world = world.overlaid(name, own[name])
        else:
            raise DataError(str(path), "", f"is not a file of the data; there can be: {files}")
    _check_parents(world, str(folder), own)
    return world


def _with_own_tokens(world: World, path: Path, contract: Contract) -> World:
    """The world with the tokens and the rate limit of an overlay's world.toml."""
    label = str(path)
    content = load_toml(path, label)
    unknown = [truncate(to_text(name), _LONGEST_KEY) for name in content if name not in _OVERLAID]
    if unknown or not content:
        reason = f"has the unknown key {unknown[0]}" if unknown else "is empty"
        raise DataError(label, "", f"{reason}; there can be: {', '.join(_OVERLAID)}")
    check_format(_SCHEMA, "overlay", content, label)
    world = world.with_grants(_grants(content.get("tokens", ()), label))
    world = world.with_rate_limit(int(content.get("rate_limit", world.rate_limit)))
    for at, reason in lint_grants(world, contract):
        raise DataError(label, at, reason)
    return world


def with_tokens(vendor: Vendor, given: Iterable[tuple[str, str]], place: str) -> Vendor:
    """The vendor, whose mock accepts further tokens: (account, token), with an empty account for the default one.

    Raises `UsageError` with the `place` that gives them, such as `--token`, for a token of two accounts.
    """
    world, grants = vendor.world, dict[str, Grant]()
    for account, token in given:
        grant = Grant(account or world.account)
        known = grants.get(token) or world.tokens.get(token)
        if known and known.account != grant.account:
            raise UsageError(
                f"{place} gives the account {grant.account!r} of {vendor.name} a token that opens {known.account!r} "
                "already; give each account its own"
            )
        grants[token] = grant
    return replace(vendor, world=world.with_grants(grants))


def with_records(vendor: Vendor, collection: str, records: list[Record]) -> Vendor:
    """The vendor with only these records in a collection, linted as files are. Raises `DataError` or `UsageError`."""
    if collection not in vendor.world.collections:
        raise UsageError(f"{vendor.name} has no {collection!r}; there are: {', '.join(vendor.world.collections)}")
    check_given(vendor, collection, records, f"the records given for {vendor.name}'s {collection}")
    return replace(vendor, world=vendor.world.with_records(collection, tuple(records)).without_orphans())


def check_given(vendor: Vendor, collection: str, records: list[Record], label: str) -> None:
    """Raise `DataError` for the first given record that the lint refuses. `label` is the file in the error."""
    check_value(records, label)
    check_format(_SCHEMA, "records", records, label)
    check_records(records, label, vendor.world.with_records(collection, ()), collection, vendor.contract)
