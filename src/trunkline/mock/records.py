"""Read and change the records of a mock between requests. What is added is checked as fixtures are.

A mistake is reported in one sentence. pytest shows none of the frames below the test, because they hold what was
given, secrets included.
"""

from __future__ import annotations

from collections import UserList
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar, overload

from trunkline.errors import Conflict, TrunklineError, UsageError
from trunkline.exchange import Json
from trunkline.mock.factory import RecordFactory
from trunkline.mock.generators import Record
from trunkline.mock.world import MOCK_ONLY

if TYPE_CHECKING:
    from trunkline.mock.mock import Mock

P = ParamSpec("P")
T = TypeVar("T")


def _hide_frames(method: Callable[Concatenate[Records, P], T]) -> Callable[Concatenate[Records, P], T]:
    """The method, whose errors come without the frames in which pytest would show the arguments."""

    @wraps(method)
    def hidden(self: Records, /, *args: P.args, **kwargs: P.kwargs) -> T:
        __tracebackhide__ = True
        try:
            return method(self, *args, **kwargs)
        except TrunklineError as caught:
            error = caught.with_traceback(None)
        del args, kwargs
        raise error from None

    return hidden


class Records(Sequence[Record]):
    """The current records of one collection in one account.

        >>> trunks = acme.records("trunks")
        >>> trunk = trunks.add(name="Night Desk", reachable=False)
        >>> trunks.change(trunk["id"], reachable=True)
        >>> trunks.remove(trunk["id"])

    Records are read as copies whose secrets print as `***`. The sequence equals a list or tuple of the same records and
    follows every change; `[*trunks]` does not. The next request sees what was changed.
    """

    __slots__ = ("_account", "_factory", "_mock")
    __hash__ = None  # type: ignore[assignment]  # they change

    def __init__(self, mock: Mock, factory: RecordFactory, account: str) -> None:
        self._mock = mock
        self._factory = factory
        self._account = account

    # --- reading

    @property
    def data(self) -> list[Record]:
        """The records as a list. pytest looks for this name to show a difference line by line."""
        return [*self]

    def get(self, identity: str) -> Record | None:
        """The record with the id `identity`, or None."""
        return next((self._copy(record) for record in self._snapshot() if self._has_id(record, identity)), None)

    def of(self, account: str) -> Records:
        """The records of another account, which a client of this one must not see."""
        known = sorted(self._mock.vendor.world.accounts)
        if account not in known:
            raise UsageError(
                f"no token gives access to the account {str(account)[:40]!r}; there are: {', '.join(known)}"
            )
        return Records(self._mock, self._factory, account)

    @overload
    def __getitem__(self, index: int) -> Record: ...

    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...

    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        found = self._snapshot()[index]
        return [*map(self._copy, found)] if isinstance(found, tuple) else self._copy(found)

    def __iter__(self) -> Iterator[Record]:
        return map(self._copy, self._snapshot())

    def __len__(self) -> int:
        return len(self._snapshot())

    def __eq__(self, other: object) -> bool:
        return self.data == [*other] if isinstance(other, Records | list | tuple) else NotImplemented

    __repr__ = UserList.__repr__  # pytest recognizes it, and then shows a difference of `data` line by line

    # --- writing

    @_hide_frames
    def add(self, record: Mapping[str, Json] | None = None, /, **fields: Json) -> Record:
        """Add a plausible record with these fields and return it.

        `account`, `reachable` and `in_use` are facts that only the mock knows. A record that needs a parent belongs to
        the first one there is, unless its field says otherwise. `record` is for names that are not keywords (`from`).
        """
        factory, given = self._factory, self._factory.parse(record, fields)
        facts = given.get(MOCK_ONLY, {})
        if "account" in facts and facts["account"] != self._account:
            return self.of(facts["account"]).add(given)
        if self._account != self._mock.vendor.world.account:
            given[MOCK_ONLY] = {**facts, "account": self._account}
        with factory.lock:
            others, parents = self._snapshot(), self._parents()
            built = factory.build(given, others, parents)
            factory.check(built, given, others, parents)
            identity = built[factory.identity]
            if any(self._has_id(other, identity) for other in others):
                raise Conflict(f"{factory.name} already has {identity[:40]!r}; use .change() for an existing record")
            return self._put(built)

    @_hide_frames
    def change(self, identity: str, record: Mapping[str, Json] | None = None, /, **fields: Json) -> Record:
        """Replace fields of the record with the id `identity`, and return it. Fields that depend on them follow."""
        factory, given = self._factory, self._factory.parse(record, fields)
        with factory.lock:
            changed = factory.update(self._find(identity), given)
            others = [other for other in self._snapshot() if not self._has_id(other, identity)]
            factory.check(changed, given, others, self._parents())
            if not self._has_id(changed, identity) or self._mock.vendor.world.account_of(changed) != self._account:
                raise UsageError(f"the id and the account of a record of {factory.name} are fixed; add another record")
            return self._put(changed)

    @_hide_frames
    def remove(self, identity: str) -> None:
        """Remove the record with the id `identity`, and all that belong to it."""
        self._find(identity)
        self._remove(self._factory.collection, identity)

    @_hide_frames
    def clear(self) -> None:
        """Remove every record of the account, and all that belong to them."""
        for record in self._snapshot():
            self._remove(self._factory.collection, record[self._factory.identity])

    def _snapshot(self) -> tuple[Record, ...]:
        return self._mock.snapshot(self._factory.collection, self._account)

    def _parents(self) -> tuple[Record, ...]:
        parent = self._factory.parent
        return self._mock.snapshot(parent.collection, self._account) if parent else ()

    def _copy(self, record: Record) -> Record:
        copied: Record = self._mock.secrets.mask(record)
        return copied

    def _has_id(self, record: Record, identity: Json) -> bool:
        return bool(record[self._factory.identity] == identity)

    def _find(self, identity: Json) -> Record:
        for record in self._snapshot():
            if self._has_id(record, identity):
                return record
        raise UsageError(f"{self._factory.name} has no {str(identity)[:40]!r}")

    def _put(self, record: Record) -> Record:
        self._mock.secrets.learn(record)
        self._mock.put(self._factory.collection, record)
        return self._copy(record)

    def _remove(self, collection: str, identity: str) -> None:
        """Remove what belongs to a record first, so that no request sees a record without its parent."""
        for name, child in self._mock.vendor.world.collections.items():
            if child.parent and child.parent.collection == collection:
                for record in self._mock.snapshot(name, self._account):
                    if record.get(child.parent.field) == identity:
                        self._remove(name, record[child.identity])
        with suppress(LookupError):  # a client has already removed it
            self._mock.remove(collection, identity, self._account)
