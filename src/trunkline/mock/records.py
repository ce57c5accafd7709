"""Owns what a test does to the records of its mock: reads, puts, changes and removes them, for the next request.

What is put is checked as fixtures are. What is told of trouble is one sentence, and pytest shows none of the frames
below the test, for they hold what was given, secrets included.
"""

from __future__ import annotations

from collections import UserList
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar, overload

from trunkline.errors import TrunklineError, UsageError
from trunkline.exchange import Json
from trunkline.mock import Mock
from trunkline.mock.factory import RecordFactory
from trunkline.mock.generators import Record
from trunkline.mock.world import MOCK_ONLY
from trunkline.plugin.mocked import Secrets

P = ParamSpec("P")
T = TypeVar("T")


def _in_one_sentence(
    method: Callable[Concatenate[Records, P], T],
) -> Callable[Concatenate[Records, P], T]:
    """The method, whose trouble comes without the frames in which pytest would show what was given."""

    @wraps(method)
    def told(self: Records, /, *args: P.args, **kwargs: P.kwargs) -> T:
        __tracebackhide__ = True
        try:
            return method(self, *args, **kwargs)
        except TrunklineError as error:
            trouble = error.with_traceback(None)
        del args, kwargs
        raise trouble from None

    return told


class Records(Sequence[Record]):
    """The records of one collection and account, always as they are now: copies, whose secrets print as `***`.

        >>> trunk = acme.trunks.add(name="Night Desk", reachable=False)
        >>> acme.trunks.change(trunk["id"], reachable=True)
        >>> acme.trunks.remove(trunk["id"])

    Equal to a list or tuple of the same records; `[*acme.trunks]` stays as they are now. What is done to them shows in
    the answer to the next request.
    """

    __slots__ = ("_account", "_kind", "_mock", "_secrets")
    __hash__ = None  # type: ignore[assignment]  # they change

    def __init__(self, mock: Mock, kind: RecordFactory, account: str, secrets: Secrets) -> None:
        self._mock = mock
        self._kind = kind
        self._account = account
        self._secrets = secrets

    # --- reading

    @property
    def data(self) -> list[Record]:
        """The records as a list; under this name pytest looks for what it shows line by line."""
        return [*self]

    def get(self, identity: str) -> Record | None:
        """The record with this id, or None."""
        return next((self._copy(record) for record in self._now() if self._names(record, identity)), None)

    def of(self, account: str) -> Records:
        """The records of another account: what a client must not see."""
        known = sorted({grant.account for grant in self._mock.vendor.world.tokens.values()})
        if account not in known:
            raise UsageError(f"no token opens the account {str(account)[:40]!r}; there are: {', '.join(known)}")
        return Records(self._mock, self._kind, account, self._secrets)

    @overload
    def __getitem__(self, index: int) -> Record: ...

    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...

    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        found = self._now()[index]
        return [*map(self._copy, found)] if isinstance(found, tuple) else self._copy(found)

    def __iter__(self) -> Iterator[Record]:
        return map(self._copy, self._now())

    def __len__(self) -> int:
        return len(self._now())

    def __eq__(self, other: object) -> bool:
        return self.data == [*other] if isinstance(other, Records | list | tuple) else NotImplemented

    __repr__ = UserList.__repr__  # by which pytest knows what to show line by line: `data`

    # --- writing

    @_in_one_sentence
    def add(self, record: Mapping[str, Json] | None = None, /, **fields: Json) -> Record:
        """Adds a plausible record with these fields, and returns it.

        The words `account`, `reachable` and `in_use` tell what only the mock knows. What has a parent belongs to the
        first one there, unless the field that holds its id says another. `record` is for names that are no keywords.
        """
        kind, given = self._kind, self._kind.said(record, fields)
        alone = given.get(MOCK_ONLY, {})
        if "account" in alone and alone["account"] != self._account:
            return self.of(alone["account"]).add(given)
        if self._account != self._mock.vendor.world.account:
            given[MOCK_ONLY] = {**alone, "account": self._account}
        with kind.lock:
            others, parents = self._now(), self._parents()
            whole = kind.made(given, others, parents)
            kind.check(whole, given, others, parents)
            if any(self._names(other, whole[kind.identity]) for other in others):
                raise UsageError(
                    f"{kind.name} has {whole[kind.identity][:40]!r} already; .change() is for what is there"
                )
            return self._put(whole)

    @_in_one_sentence
    def change(self, identity: str, record: Mapping[str, Json] | None = None, /, **fields: Json) -> Record:
        """Lays these fields over those of a record, and returns it. What is made of a changed field follows it."""
        kind, given = self._kind, self._kind.said(record, fields)
        with kind.lock:
            before = self._own(identity)
            whole = kind.changed(before, given)
            others = [other for other in self._now() if not self._names(other, identity)]
            kind.check(whole, given, others, self._parents())
            if whole[kind.identity] != identity or self._mock.vendor.world.account_of(whole) != self._account:
                raise UsageError(f"a record of {kind.name} keeps its id and its account; remove it, and add another")
            return self._put(whole)

    @_in_one_sentence
    def remove(self, identity: str) -> None:
        """Takes a record away, and whatever belongs to it."""
        self._own(identity)
        self._drop(self._kind.collection, identity)

    @_in_one_sentence
    def clear(self) -> None:
        """Takes every record of the account away, and whatever belongs to it."""
        for record in self._now():
            self._drop(self._kind.collection, record[self._kind.identity])

    def _now(self) -> tuple[Record, ...]:
        return self._mock.records(self._kind.collection, self._account)

    def _parents(self) -> tuple[Record, ...]:
        parent = self._kind.parent
        return self._mock.records(parent.collection, self._account) if parent else ()

    def _copy(self, record: Record) -> Record:
        copied: Record = self._secrets.hushed(record)
        return copied

    def _names(self, record: Record, identity: Json) -> bool:
        return bool(record[self._kind.identity] == identity)

    def _own(self, identity: Json) -> Record:
        for record in self._now():
            if self._names(record, identity):
                return record
        raise UsageError(f"{self._kind.name} has no {str(identity)[:40]!r}")

    def _put(self, record: Record) -> Record:
        self._secrets.learn(record)
        self._mock.lay(self._kind.collection, record)  # `Kind.check` has seen it
        return self._copy(record)

    def _drop(self, collection: str, identity: str) -> None:
        """Takes a record away after what belongs to it, so that no request meets what belongs to nothing."""
        for name, below in self._mock.vendor.world.collections.items():
            if below.parent and below.parent.collection == collection:
                for record in self._mock.records(name, self._account):
                    if record.get(below.parent.field) == identity:
                        self._drop(name, record[below.identity])
        with suppress(LookupError):  # a client was faster
            self._mock.remove(collection, identity, self._account)
