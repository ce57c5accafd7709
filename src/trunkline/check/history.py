"""The history of a watch: its rounds, and each kind of finding and drift that was ever seen, in an SQLite file.

A kind is known from the first complete round on in which it was seen, so a watch that starts again knows it. It is
`told` once somebody was told of it. The file holds no secret: examples are redacted before. Without a file, the history
is in memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from trunkline.errors import UsageError
from trunkline.mock.database import Database, FileFormat, make_folder, open_database

_MOST_ROUNDS = 10_000
"""The number of rounds that are kept."""
_MOST_KINDS = 10_000
"""The number of kinds that are kept: an API that changes with every answer has new ones for ever."""

HISTORY = FileFormat(
    name="a history",
    application_id=b"trnh",
    version=1,
    tables=(
        "CREATE TABLE watch (vendor TEXT NOT NULL, base TEXT NOT NULL)",
        """CREATE TABLE rounds (number INTEGER PRIMARY KEY, began REAL NOT NULL, ended REAL NOT NULL,
            requests INTEGER NOT NULL, problem TEXT NOT NULL)""",
        """CREATE TABLE kinds (key TEXT PRIMARY KEY, first REAL NOT NULL, last REAL NOT NULL, rounds INTEGER NOT NULL,
            told INTEGER NOT NULL, item TEXT NOT NULL)""",
    ),
    use_another="name another file with --history",
    in_use="another watch is using it; end that first, or name another file with --history",
    damaged="restore a copy, or delete it: the next watch then begins anew",
    unwritten="so what is new would not be known",
)


@dataclass(frozen=True, slots=True)
class Observation:
    """One kind of finding or drift: what was seen when it was new, without secrets.

    `type` is `finding` or `drift`, and `name` the rule or the kind of drift. `fails` says whether it is a finding that
    fails a run, or breaks a client.
    """

    key: str
    type: str
    name: str
    operation: str
    status: str
    at: str
    message: str
    expected: str
    seen: str
    contract: str
    page: str
    grade: str
    fails: bool


@dataclass(slots=True)
class Known:
    """A kind that was seen: when first and last, in how many rounds, and whether somebody was told of it."""

    observation: Observation
    first: float
    last: float
    rounds: int = 0
    told: bool = False

    def row(self) -> tuple[object, ...]:
        """The row of the table."""
        return self.observation.key, self.first, self.last, self.rounds, self.told, json.dumps(asdict(self.observation))


@dataclass(slots=True, repr=False)
class History:
    """The rounds of a watch and the kinds that they showed."""

    rounds: int = 0
    """The number of rounds so far."""
    complete: bool = False
    """Whether any round was complete. The first such round shows what is already there, which is not new."""
    known: dict[str, Known] = field(default_factory=dict)
    """Each kind by its key."""
    _database: Database | None = None

    @property
    def news(self) -> tuple[Observation, ...]:
        """The kinds of which nobody was told yet."""
        return tuple(known.observation for known in self.known.values() if not known.told)

    def add(
        self, began: float, ended: float, requests: int, problem: str, observations: Iterable[Observation]
    ) -> tuple[Observation, ...]:
        """Add a round; return the kinds that are new. In the first complete round, and before it, none is."""
        self.rounds += 1
        seen = [self._seen(one, ended) for one in {one.key: one for one in observations}.values()]
        known = [found for found in seen if found is not None]
        news = tuple(found.observation for found in known if found.rounds == 1 and not found.told)
        self.complete = self.complete or not problem
        if self._database is not None:
            with self._database.write() as connection:
                row = (self.rounds, began, ended, requests, problem)
                connection.execute("INSERT INTO rounds VALUES (?, ?, ?, ?, ?)", row)
                connection.execute("DELETE FROM rounds WHERE number <= ?", (self.rounds - _MOST_ROUNDS,))
                rows = (found.row() for found in known)
                connection.executemany("REPLACE INTO kinds VALUES (?, ?, ?, ?, ?, ?)", rows)
        return news

    def _seen(self, observation: Observation, time: float) -> Known | None:
        """Count an observation; None if it is a new kind beyond those that are kept."""
        found = self.known.get(observation.key)
        if found is None:
            if len(self.known) >= _MOST_KINDS:
                return None
            found = self.known[observation.key] = Known(observation, time, time, told=not self.complete)
        found.last = time
        found.rounds += 1
        return found

    def tell(self, observations: Iterable[Observation]) -> None:
        """Note that somebody was told of these kinds."""
        told = [self.known[observation.key] for observation in observations]
        for known in told:
            known.told = True
        if self._database is not None:
            keys = [(known.observation.key,) for known in told]
            self._database.execute("UPDATE kinds SET told = 1 WHERE key = ?", keys)


@contextmanager
def open_history(path: Path | None, vendor: str, base: str) -> Iterator[History]:
    """The history in a file, which no other watch may use meanwhile; in memory without one.

    Raises `UsageError` for a file that cannot be used, or that is the history of another API.
    """
    if path is None:
        yield History()
        return
    make_folder(path, HISTORY)
    with closing(open_database(path, HISTORY)) as database:
        yield _read(database, vendor, base)


def _read(database: Database, vendor: str, base: str) -> History:
    origins = database.query("SELECT vendor, base FROM watch")
    if not origins:
        database.execute("INSERT INTO watch VALUES (?, ?)", [(vendor, base)])
    elif origins != [(vendor, base)]:
        raise UsageError(f"{database.path} is not the history of {vendor} at {base}; {HISTORY.use_another}")
    [(rounds, complete)] = database.query("SELECT coalesce(max(number), 0), coalesce(max(problem = ''), 0) FROM rounds")
    history = History(rounds, bool(complete), _database=database)
    try:
        for key, first, last, count, told, text in database.query("SELECT * FROM kinds ORDER BY first, key"):
            observation = Observation(**json.loads(text))
            texts = [value for name, value in asdict(observation).items() if name != "fails"]
            if observation.key != key or not all(isinstance(value, str) for value in texts):
                raise database.damaged()
            history.known[key] = Known(observation, first, last, count, bool(told))
    except (TypeError, ValueError, RecursionError):
        raise database.damaged() from None
    return history
