"""Owns the way from the two folders to a `Vendor`: reads the world, checks every record, lays records over others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from trunkline.contract.files import check_value, load_json, load_toml
from trunkline.contract.folders import names, roots
from trunkline.contract.loader import read
from trunkline.contract.model import Contract, View
from trunkline.contract.schema import check_format
from trunkline.errors import DataError, TrunklineError, UsageError
from trunkline.exchange import Json, pointer
from trunkline.findings import Report
from trunkline.mock.generators import Record
from trunkline.mock.lint import alternatives, lost, spoiled
from trunkline.mock.world import MOCK_ONLY, Behavior, Collection, Effect, Grant, Outcome, Parent, World
from trunkline.redaction import redactor

_FORMAT = Path(__file__).with_name("world.schema.json")
_SHORTEST_SECRET = 8
_EXAMPLES = 5
_SAMPLE = 50
"""So many generated records are looked at; the rest are made in the same ways."""


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
        return _secrets(self.world, self.contract)

    @property
    def example_ids(self) -> dict[str, list[Json]]:
        """A few ids of the first token's account for each resource: `{"trunks": ["trunk_1", "trunk_2"]}`."""
        world = self.world
        found: dict[str, list[Json]] = {}
        for name, collection in world.collections.items():
            mine = (record for record in collection.records if world.account_of(record) == world.account)
            found[name] = [record[collection.identity] for record in islice(mine, _EXAMPLES)]
        return found

    def validate(
        self,
        response: object = None,
        *,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        body: Json = None,
        operation: str | None = None,
    ) -> Report:
        """Judge one response by the rules: of `requests` or `httpx`, or as plain status, headers and body.

            >>> load("acme").validate(requests.get(url, headers=...)).findings
            ()

        `body` is text, bytes or a JSON value. The operation is that of the response's request, or is inferred from the
        body. Raises `UsageError` when it cannot be inferred, or when `response` is not a response.
        """
        from trunkline.traffic.validation import validate_response  # noqa: PLC0415 - up, for the caller's convenience

        return validate_response(self, response, status=status, headers=headers, body=body, operation=operation)


def load(
    name: str, *, overlay: Path | None = None, trunks: int | None = None, seed: int = 0, lint: bool | None = None
) -> Vendor:
    """Load a vendor's contract and world.

    `trunks` replaces the shipped records by that many plausible ones, the same for the same `seed`. `overlay` is a
    folder laid out as `fixtures/`; its records replace those with the same id, and are added to the others.

    `lint` says whether every word of the data is checked. By default that is done for all data but those that
    trunkline ships, which its own tests check: folders named by `TRUNKLINE_DATA`, overlays, generated records.

    Raises `UsageError` for an unknown name, and `DataError` for data that break their format or the contract.
    """
    own = roots()[0]
    for root in roots() if name in names() else ():
        if (root / "schemas" / name).is_dir():
            strict = root != own if lint is None else lint
            with _understood(f"schemas/{name}"):
                contract = read(root / "schemas" / name, name, lint=strict)
            with _understood(f"fixtures/{name}"):
                world = _world(root / "fixtures" / name, contract, lint=strict)
                cases = _cases(root / "fixtures" / name, contract, lint=strict)
                if trunks is not None:
                    world = _generated(world, trunks, seed, contract)
            if overlay is not None:
                with _understood(str(overlay / name)):
                    world = _overlaid(world, overlay / name, contract)
            if strict or trunks is not None or overlay is not None:
                with _understood(f"fixtures/{name}"):
                    _rehearse(world, contract)
            return Vendor(name, contract, world, cases)
    raise UsageError(f"{name!r} is not a vendor; there are: {', '.join(names())}")


@contextmanager
def _understood(folder: str) -> Iterator[None]:
    """The last net: what breaks our own reading of a folder is told of the folder, without a word of what it holds."""
    try:
        yield
    except TrunklineError:
        raise
    except Exception as error:  # noqa: BLE001 - a net has no holes
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        place = trace.tb_frame.f_code.co_name if trace else "reading"
        raise DataError(folder, "", f"cannot be understood: {type(error).__name__} in {place}") from None


def _world(folder: Path, contract: Contract, *, lint: bool) -> World:
    label = _label(contract)
    said = load_toml(folder / "world.toml", label)
    if lint:
        _lint_world_file(said, label)
    resources = {operation.operation_id: operation.resource for operation in contract.operations}
    world = World(
        rate_limit=int(said["rate_limit"]),
        tokens={grant["token"]: Grant(grant["account"], grant.get("refused", "")) for grant in said["tokens"]},
        error_body=said["errors"]["body"],
        messages={cause: {"": text} if isinstance(text, str) else text for cause, text in said["refusals"].items()},
        collections={name: _collection(how) for name, how in said["collections"].items()},
        behaviors={name: _serve(how, resources.get(name, "")) for name, how in said["operations"].items()},
    )
    if lint:
        for at, reason in lost(world, contract):
            raise DataError(label, at, reason)
    for name in world.collections:
        file = f"fixtures/{contract.vendor}/{name}.json"
        records = _records(folder / f"{name}.json", file, world, name, contract, lint=lint)
        world = world.with_records(name, records)
    if lint:
        _check_parents(world, f"fixtures/{contract.vendor}")
    return world


def _lint_world_file(said: Json, label: str) -> None:
    check_format(_FORMAT, "world", said, label)
    tokens = [grant["token"] for grant in said["tokens"]]
    for index, token in enumerate(tokens):
        if token in tokens[:index]:
            raise DataError(label, f"/tokens/{index}/token", "the token is there twice")


def _check_parents(world: World, folder: str, laid: Mapping[str, Sequence[Record]] | None = None) -> None:
    """Raises `DataError` for the first record that belongs to nothing; of an overlay only those `laid` can be one."""
    for name, index in world.orphans():
        collection = world.collections[name]
        record, parent = collection.records[index], collection.parent
        if laid is not None:
            index = next(at for at, own in enumerate(laid[name]) if own is record)  # noqa: PLW2901 - of its own file
        if parent:
            at, reason = f"/{index}/{parent.field}", f"there is no such record in {parent.collection}"
            raise DataError(f"{folder}/{name}.json", at, reason)


def _collection(how: Mapping[str, Json]) -> Collection:
    parent = Parent(how["parent"]["collection"], how["parent"]["field"]) if "parent" in how else None
    return Collection(how["identity"], how.get("generate", {}), (), parent)


def _serve(how: Mapping[str, Json], resource: str) -> Behavior:
    return Behavior(
        verb=how["verb"],
        collection=resource,
        order=tuple(how.get("order", ())),
        guards=tuple(pair for guard in how.get("guards", ()) for pair in guard.items()),
        outcomes=tuple(_outcome(said) for said in how.get("outcomes", (how,))),
    )


def _outcome(how: Mapping[str, Json]) -> Outcome:
    effects = tuple(
        Effect(said["set"], said.get("when", {}), frozenset(said.get("when_changed", ())))
        for said in how.get("effects", ())
    )
    return Outcome(how.get("status", 200), how["body"], effects, how.get("when", {}))


def _label(contract: Contract) -> str:
    return f"fixtures/{contract.vendor}/world.toml"


def _rehearse(world: World, contract: Contract) -> None:
    """Raises `DataError` for the first thing that a mock of the world would say and the contract would not."""
    samples = {
        operation.operation_id: project(records[0], operation.view)
        for operation in contract.operations
        if operation.item is not None and (records := world.collections[operation.resource].records)
    }
    for at, reason in (*spoiled(world, contract, samples), *_lost_effects(world, contract)):
        raise DataError(_label(contract), at, redactor(_secrets(world, contract))(reason))


def _lost_effects(world: World, contract: Contract) -> Iterator[tuple[str, str]]:
    """Each effect after which a record would break what the operations on its collection document."""
    for name, serve in world.behaviors.items():
        records = world.collections[serve.collection].records[:1] if serve.collection else ()
        for outcome in serve.outcomes:
            made = {field: how for effect in outcome.effects for field, how in effect.set.items()}
            plain = {field: how["value"] for field, how in made.items() if "value" in how}
            others = [{field: value} for field, value in alternatives(made)]
            for record in records:
                for changed in ({}, *others):
                    after = {**record, **plain, **changed}
                    for at, reason in _lost_records(
                        [after], world.with_records(serve.collection, ()), serve.collection, contract
                    ):
                        yield f"/operations/{name}", f"after an effect, {at[2:] or 'a record'} fits no more: {reason}"


def _records(
    path: Path, label: str, world: World, collection: str, contract: Contract, *, lint: bool = True
) -> tuple[Record, ...]:
    records = load_json(path, label, lint=lint)
    if lint:
        check_format(_FORMAT, "records", records, label)
        check_records(records, label, world, collection, contract)
    return tuple(records)


def check_records(records: list[Record], label: str, world: World, collection: str, contract: Contract) -> None:
    """Raises `DataError` unless every record fits what the operations that serve its collection document."""
    for at, reason in _lost_records(records, world, collection, contract):
        secrets = _secrets(world.with_records(collection, tuple(records)), contract) | _secrets(world, contract)
        raise DataError(label, at, redactor(secrets)(reason))


def _secrets(world: World, contract: Contract) -> frozenset[str]:
    """Tokens, and the secret fields of the records."""
    return frozenset(world.tokens) | {
        str(record[name])
        for collection in world.collections.values()
        for record in collection.records
        for name in contract.secrets
        if record.get(name)
    }


def _lost_records(
    records: list[Record], world: World, collection: str, contract: Contract
) -> Iterator[tuple[str, str]]:
    """Each place in the records that fits nothing, with the reason."""
    about = [operation for operation in contract.operations if operation.resource == collection]
    serving = [operation for operation in about if operation.item is not None and not operation.acting]
    identity = world.collections[collection].identity
    orders = {
        field.lstrip("-"): ""
        for serve in world.behaviors.values()
        if serve.collection == collection
        for field in serve.order
    }
    for record in world.collections[collection].records[:1]:
        orders = {field: _kind(record.get(field)) for field in orders}
    accounts = {grant.account for grant in world.tokens.values()}
    views = [operation.view for operation in serving]
    inputs: list[View] = [dict.fromkeys(operation.inputs) for operation in about]
    seen: set[tuple[str, Json]] = set()
    for index, record in enumerate(records):
        at = f"/{index}"
        yield from ((at + place, reason) for place, reason in _lost_secrets(record, contract))
        own = {name: value for name, value in record.items() if name != MOCK_ONLY and name not in contract.secrets}
        yield from ((at + place, "no operation documents such a field") for place in _beyond(own, [*views, *inputs]))
        for operation, view in zip(serving, views, strict=True):
            for violation in operation.item_violations(project(record, view)):
                yield at + violation.at, f"{violation.message} ({violation.contract})"
        account = world.account_of(record)
        if account not in accounts:
            known = ", ".join(sorted(accounts))
            yield f"{at}/{MOCK_ONLY}/account", f"no token opens that account; there are: {known}"
        if not isinstance(record.get(identity), str):
            yield f"{at}/{identity}", "the field that names a record is a text"
            return
        for field, others in orders.items():
            orders[field] = kind = _kind(record.get(field))
            if not kind or others not in ("", kind):
                yield (
                    f"{at}/{field}",
                    f"a list is in the order of this field, so it is {others or 'a text or a number'}",
                )
        key = (account, record[identity])
        if key in seen:
            yield f"{at}/{identity}", f"{record[identity]!r} is there twice"
        seen.add(key)


def _kind(value: Json) -> str:
    """What a list can be ordered by, in words; empty for what it cannot."""
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    return "a text" if isinstance(value, str) else "a number" if numeric else ""


def _lost_secrets(record: Record, contract: Contract) -> Iterator[tuple[str, str]]:
    """Each secret of a record that could not be told from other texts, or that stands where it would be shown."""
    for name, value in record.items():
        if name in contract.secrets:
            if not isinstance(value, str) or len(value) < _SHORTEST_SECRET:
                reason = f"a secret is a text of {_SHORTEST_SECRET} characters or more, to be told from other texts"
                yield pointer((name,)), reason
        elif isinstance(value, dict | list):
            yield from (
                (pointer((name,)) + at, "a secret is a field of the record itself") for at in _within(value, contract)
            )


def _within(value: Json, contract: Contract) -> Iterator[str]:
    """The places in a value that bear the name of a secret."""
    for name, inner in (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    ):
        if isinstance(name, str) and name in contract.secrets:
            yield pointer((name,))
        yield from (pointer((name,)) + at for at in _within(inner, contract))


def _beyond(record: Record, views: Sequence[View]) -> Iterator[str]:
    """The places in a record that no view shows."""
    for name, value in record.items():
        shown = [view[name] for view in views if name in view]
        nested = [view for view in shown if view]
        if not shown:
            yield pointer((name,))
        elif nested and isinstance(value, dict):
            yield from (pointer((name,)) + place for place in _beyond(value, nested))


def project(record: Record, view: View) -> Record:
    """The part of a record that a view shows, in the view's order."""
    shown = {}
    for name, inner in view.items():
        if name in record:
            value = record[name]
            shown[name] = project(value, inner) if inner and isinstance(value, dict) else value
    return shown


def _cases(folder: Path, contract: Contract, *, lint: bool) -> tuple[Mapping[str, Json], ...]:
    label = f"fixtures/{contract.vendor}/cases.json"
    cases = load_json(folder / "cases.json", label, lint=lint)
    if lint:
        check_format(_FORMAT, "cases", cases, label)
        known = {operation.operation_id for operation in contract.operations}
        for index, case in enumerate(cases):
            if case["operation"] not in known:
                raise DataError(label, f"/{index}/operation", f"the contract has no operation {case['operation']!r}")
    return tuple(cases)


def _generated(world: World, trunks: int, seed: int, contract: Contract) -> World:
    """The world with plausible records; some of them, and each value that could be chosen, are checked as files are."""
    for name, collection in world.collections.items():
        others = [*alternatives(collection.generate)]
        count = min(trunks, _SAMPLE)
        made = world.generated(count + len(others), seed).collections[name].records
        pairs = zip(made[count:], others, strict=False)
        sample = [*made[:count], *({**one, field: value} for one, (field, value) in pairs)]
        try:
            if collection.generate:
                check_records(sample, _label(contract), world.with_records(name, ()), name, contract)
        except DataError as error:
            at = "/fields".join(f"/{part}" for part in error.pointer.split("/")[2:])
            raise DataError(error.file, f"/collections/{name}/generate{at}", error.reason) from None
    return world.generated(trunks, seed).without_orphans()


def _overlaid(world: World, folder: Path, contract: Contract) -> World:
    wanted = ", ".join(f"{name}.json" for name in world.collections)
    if not folder.is_dir():
        raise UsageError(f"{folder.parent} has no folder {folder.name!r}; lay records out as {folder.name}/{wanted}")
    known = {f"{name}.json": name for name in world.collections}
    paths = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".") and path.suffix != ".md"]
    if not paths:
        raise UsageError(f"{folder} holds no records; lay them out as {folder.name}/{wanted}")
    laid: dict[str, tuple[Record, ...]] = {}
    for path in paths:
        if path.name not in known:
            raise DataError(str(path), "", f"is not a file of records; there can be: {wanted}")
        name = known[path.name]
        laid[name] = _records(path, str(path), world, name, contract)
        world = world.overlaid(name, laid[name])
    _check_parents(world, str(folder), laid)
    return world


def with_records(vendor: Vendor, collection: str, records: list[Record]) -> Vendor:
    """The vendor with these records only in a collection, checked as files are."""
    label = f"the records given for {vendor.name}'s {collection}"
    if collection not in vendor.world.collections:
        raise UsageError(f"{vendor.name} has no {collection!r}; there are: {', '.join(vendor.world.collections)}")
    check_value(records, label)
    check_format(_FORMAT, "records", records, label)
    check_records(records, label, vendor.world.with_records(collection, ()), collection, vendor.contract)
    return replace(vendor, world=vendor.world.with_records(collection, tuple(records)).without_orphans())


def check_record(vendor: Vendor, collection: str, record: Record) -> None:
    """Raises `DataError` unless a record fits what the operations on its collection document, as in a file."""
    label = f"the record given for {vendor.name}'s {collection}"
    if collection not in vendor.world.collections:
        raise UsageError(f"{vendor.name} has no {collection!r}; there are: {', '.join(vendor.world.collections)}")
    check_value([record], label)
    check_format(_FORMAT, "records", [record], label)
    check_records([record], label, vendor.world.with_records(collection, ()), collection, vendor.contract)


def with_tokens(vendor: Vendor, tokens: tuple[str, ...]) -> Vendor:
    """The vendor whose first account is opened by these tokens only; the other accounts keep theirs."""
    world = vendor.world
    mine = {token: Grant(world.account) for token in tokens}
    others = {
        token: grant for token, grant in world.tokens.items() if grant.account != world.account and token not in mine
    }
    return replace(vendor, world=replace(world, tokens={**mine, **others}))
