"""Owns the journal of what a run makes on a live account, so that nothing stays there, not even after a crash.

One file for each vendor and base address: JSON lines that are on disk before a request is sent, and no file at all once
nothing is left to do. A label is all that it holds of what was sent. In memory it is the same without a file.

    {"begun": 1, "run": "trunkline-check-5d1c0e9a77-", "resource": "trunks", "label": "...", "parents": {}, ...}
    {"made": 1, "id": "trunk-uuid-7"}
    {"over": 1}
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import secrets
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

from trunkline.errors import DataError, UsageError
from trunkline.exchange import Json

MOST_OF_A_LABEL: Final = 1000
"""So many characters of a label tell it from every other: it begins with the run's prefix."""

_MAGIC = b'{"trunkline": "journal", "format": 1, '
_SALT = re.compile(r"[0-9a-f]{1,64}")
_RUN = re.compile(r"trunkline-check-[0-9a-f]{10}-")
"""The prefix of a run: with another, a journal that was meddled with would name things of others."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One creation: what it made is called `identity`, which is empty as long as no answer told it.

    `run` is the prefix of the run that began it, `parents` maps resources to ids. `mark` tells its credential from
    others, `sign` its unique inputs; neither can be turned back into them. `answered` is an id that the answer told and
    that is not its own, or none that can be asked for.
    """

    number: int
    run: str
    resource: str
    label: str
    parents: Mapping[str, str]
    mark: str = ""
    sign: str = ""
    identity: str = ""
    answered: str = ""

    @property
    def key(self) -> tuple[str, str]:
        return self.resource, self.identity


@dataclass(slots=True, repr=False)
class Ledger:
    """What a run has begun, made and removed; without a file nobody finishes it but the run itself.

    What is noted is first remembered and then written, so whatever interrupts it, the memory knows of no less than
    the server does, and the file of no less than what was sent.
    """

    prefix: str = field(default_factory=lambda: f"trunkline-check-{secrets.token_hex(5)}-")
    path: Path | None = None
    salt: str = field(default_factory=lambda: secrets.token_hex(16))
    _file: int = -1
    _entries: dict[int, Entry] = field(default_factory=dict)
    _open: dict[int, None] = field(default_factory=dict)
    _named: dict[tuple[str, str, str], dict[str, int]] = field(default_factory=dict)
    _told: set[int] = field(default_factory=set)

    @classmethod
    def from_file(cls, path: Path, vendor: str, base: str) -> Ledger:
        """The journal in a file that no other run uses, with all that earlier runs left in it."""
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = _locked(path)
        except OSError as error:
            raise _trouble(path, error) from None
        try:
            return cls._read(file, path, vendor, base)
        except OSError as error:
            os.close(file)
            raise _trouble(path, error) from None
        except BaseException:
            os.close(file)
            raise

    @classmethod
    def _read(cls, file: int, path: Path, vendor: str, base: str) -> Ledger:
        content = _content(file)
        journal = cls(path=path, _file=file)
        if _MAGIC.startswith(content) or (content.startswith(_MAGIC) and b"\n" not in content):
            os.ftruncate(file, 0)  # new, or its very first line was cut off by a crash
            first: dict[str, Json] = {
                "trunkline": "journal",
                "format": 1,
                "vendor": vendor,
                "base": base,
                "salt": journal.salt,
            }
            journal._write(first)
            _settle(path.parent)
            return journal
        lines = content.split(b"\n")
        head = _object(lines[0]) if content.startswith(_MAGIC) else {}
        salt = head.get("salt")
        if not (isinstance(salt, str) and _SALT.fullmatch(salt) and {"vendor", "base"} <= head.keys()):
            raise DataError(str(path), "line 1", "is no journal of trunkline; name another place for it with --journal")
        if (head["vendor"], head["base"]) != (vendor, base):
            raise UsageError(
                f"{path} is the journal of {head['vendor']} at {head['base']}; name another place with --journal"
            )
        journal.salt = head["salt"]
        for number, line in enumerate(lines[1:-1], 2):
            journal._take(_object(line), f"line {number}")
        if lines[-1]:  # a crash cut it off: what it was to tell had not happened, or is found out again
            os.ftruncate(file, len(content) - len(lines[-1]))
        return journal

    def _take(self, line: dict[str, Json], at: str) -> None:
        """Remembers what a line of the file tells."""
        number = next((line[word] for word in ("begun", "made", "lost", "over") if word in line), None)
        if "begun" in line:
            words = (line.get("run"), line.get("resource"), line.get("label"), line.get("mark"), line.get("sign"))
            parents = line.get("parents")
            texts = [*words, *parents, *parents.values()] if isinstance(parents, dict) else [None]
            sound = all(isinstance(it, str) for it in texts) and _RUN.fullmatch(str(words[0]))
            if isinstance(number, int) and number not in self._entries and sound:
                run, resource, label, mark, sign = map(str, words)
                self._entries[number] = Entry(number, run, resource, label, parents or {}, mark, sign)
                self._open[number] = None
                return
        elif isinstance(number, int) and number in self._entries:
            entry = self._entries[number]
            if "over" in line:
                self._open.pop(number, None)
                return
            identity = line.get("id") if "made" in line else ""
            if isinstance(identity, str):
                self._called(entry, identity)
                return
        raise DataError(str(self.path), at, "is no line of a journal of trunkline; look into it, and move it away")

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets the file go; it keeps the runs that left something to do, and is removed when there is none."""
        if self._file < 0:
            return
        try:
            for number in self._told & self._open.keys():
                del self._open[number]
            runs = {entry.run for entry in self._unsettled()}
            if not runs:
                with suppress(FileNotFoundError):
                    Path(self.path or "").unlink()
            else:
                self._keep(runs)
        except OSError as error:
            raise _trouble(self.path, error) from None
        finally:
            os.close(self._file)
            self._file = -1

    def _keep(self, runs: set[str]) -> None:
        """Writes the file anew with what these runs began; until it is whole, the old one is there."""
        lines = [_content(self._file).partition(b"\n")[0]]
        for entry in self._entries.values():
            if entry.run in runs:
                made = [{"made": entry.number, "id": entry.identity or entry.answered}]
                made += [{"lost": entry.number}] if not entry.identity else []
                made = made if entry.identity or entry.answered else []
                over = [] if self.is_open(entry) else [{"over": entry.number}]
                lines += [json.dumps(line).encode() for line in (_beginning(entry), *made, *over)]
        path = self.path or Path()
        draft = path.with_name(f"{path.name}.new")
        try:
            with suppress(FileNotFoundError):
                draft.unlink()  # of a run that crashed just then
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.writelines(line + b"\n" for line in lines)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        except OSError:
            with suppress(OSError):
                draft.unlink()
            raise
        _settle(path.parent)

    # --- what is noted ----------------------------------------------------------------------------------------------

    def begin(
        self,
        resource: str,
        label: str,
        parents: Mapping[str, str],
        *,
        mark: str = "",
        sign: str = "",
        run: str = "",
    ) -> Entry:
        """Notes that something is about to be made; only then may it be asked for."""
        number = max(self._entries, default=0) + 1
        label = label[:MOST_OF_A_LABEL]
        entry = Entry(number, run or self.prefix, resource, label, dict(parents), mark, sign)
        self._entries[number] = entry
        self._open[number] = None
        try:
            self._note(_beginning(entry))
        except BaseException:  # whatever it was, nothing is sent now
            del self._open[number]
            raise
        return entry

    def made(self, entry: Entry, identity: str) -> Entry:
        """Notes the id of what was made."""
        found = self._called(entry, identity)
        self._note({"made": entry.number, "id": identity})
        return found

    def strange(self, entry: Entry, identity: str) -> None:
        """Remembers an id that cannot be that of what was made."""
        self._entries[entry.number] = replace(entry, answered=identity)

    def lost(self, entry: Entry) -> None:
        """Notes that the id which was told is that of something else."""
        self._called(entry, "")
        self._note({"lost": entry.number})

    def _called(self, entry: Entry, identity: str) -> Entry:
        """Remembers what an entry is called from now on, and that it is there."""
        before = self._entries[entry.number]
        named = self._named.get((before.run, *before.key), {})
        if named.get(before.mark) == before.number:
            del named[before.mark]
        found = replace(before, identity=identity, answered="" if identity else before.identity)
        self._entries[found.number] = found
        self._open[found.number] = None
        if identity:
            self._named.setdefault((found.run, *found.key), {})[found.mark] = found.number
        return found

    def over(self, entry: Entry) -> None:
        """Notes that nothing is left to do: it was never made, or is gone."""
        self._open.pop(entry.number, None)
        self._note({"over": entry.number}, settled=False)

    def tell(self, entry: Entry) -> None:
        """Remembers that somebody was told of it, and that no run can do more: it is over when the journal closes."""
        self._told.add(entry.number)

    def _note(self, line: Mapping[str, Json], *, settled: bool = True) -> None:
        if self._file >= 0:
            try:
                self._write(line, settled=settled)
            except OSError as error:
                raise _trouble(self.path, error) from None

    def _write(self, line: Mapping[str, Json], *, settled: bool = True) -> None:
        data = json.dumps(line).encode() + b"\n"
        length = os.fstat(self._file).st_size
        try:
            written = os.write(self._file, data)
            if settled:
                os.fsync(self._file)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._file, length)  # half a line would spoil the next one
            raise
        if written < len(data):
            os.ftruncate(self._file, length)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    # --- what is known ----------------------------------------------------------------------------------------------

    @property
    def mine(self) -> tuple[Entry, ...]:
        """What this run has begun and not removed, in the order begun."""
        return tuple(entry for entry in self._unsettled() if entry.run == self.prefix)

    def unfinished(self) -> tuple[Entry, ...]:
        """What earlier runs began and did not remove."""
        return tuple(entry for entry in self._unsettled() if entry.run != self.prefix)

    def _unsettled(self) -> Iterator[Entry]:
        return (self._entries[number] for number in self._open)

    def named(self, resource: str, identity: str, *, mark: str | None = None, run: str = "") -> Entry | None:
        """What this run made under an id, removed or not, or another one; with the credential of a mark, or any."""
        marked = self._named.get((run or self.prefix, resource, identity), {})
        number = next(reversed(marked.values()), None) if mark is None else marked.get(mark)
        return None if number is None else self._entries[number]

    def is_open(self, entry: Entry) -> bool:
        """Whether it was not removed, as far as is known."""
        return entry.number in self._open

    def labelled(self, resource: str, label: str) -> tuple[Entry, ...]:
        """Each creation of any run here, refused or not, that was begun with this label; spaces around it may go."""
        label = label[:MOST_OF_A_LABEL].strip()
        same = (it for it in self._entries.values() if it.resource == resource and it.label.strip() == label)
        return tuple(same) if label else ()

    def begun(self) -> tuple[Entry, ...]:
        """Each creation of any run here, refused or removed or not."""
        return tuple(self._entries.values())

    def digest(self, text: str, size: int) -> str:
        """What tells a text from others within this journal, too short to lead back to it; empty for none."""
        data = text.encode("utf-8", "surrogatepass")
        return blake2b(data, key=self.salt.encode(), digest_size=size).hexdigest() if text else ""


def _beginning(entry: Entry) -> dict[str, Json]:
    """The line that begins an entry: all but its id, which is not known then."""
    told = {name: value for name, value in asdict(entry).items() if name not in {"number", "identity", "answered"}}
    return {"begun": entry.number, **told}


def place(vendor: str, base: str, environ: Mapping[str, str] = os.environ) -> Path:
    """Where the journal of a vendor at a base address is kept: in $XDG_STATE_HOME/trunkline, or ~/.local/state."""
    home = environ.get("XDG_STATE_HOME", "")
    try:
        folder = Path(home) if Path(home).is_absolute() else Path.home() / ".local" / "state"
    except RuntimeError:
        raise UsageError("there is no home directory to keep the journal in; name a place with --journal") from None
    host = re.sub(r"[^a-z0-9.-]+", "_", base.partition("://")[2].lower())[:60]
    return folder / "trunkline" / f"{vendor}-{host}-{blake2b(base.encode(), digest_size=4).hexdigest()}.jsonl"


def _locked(path: Path) -> int:
    """The file open for this run alone; it is made if need be."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK, 0o600)
        if not stat.S_ISREG(os.fstat(file).st_mode):
            os.close(file)
            raise UsageError(f"{path} is no regular file; name another place for the journal with --journal")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with suppress(FileNotFoundError):  # a run that had nothing left to do removes it, maybe just now
                if os.path.samestat(os.fstat(file), path.stat()):
                    return file
        except BlockingIOError:
            os.close(file)
            raise UsageError(
                f"another run is writing there, and its journal {path} is in use; wait until it has ended"
            ) from None
        except BaseException:
            os.close(file)
            raise
        os.close(file)


def _content(file: int) -> bytes:
    with os.fdopen(os.dup(file), "rb") as reader:
        reader.seek(0)
        return reader.read()


def _settle(folder: Path) -> None:
    """Has the folder remember a new file, where folders can be told to."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _object(line: bytes) -> dict[str, Any]:
    """The JSON object of a line, or an empty one."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _trouble(path: Path | None, error: OSError) -> UsageError:
    reason = error.strerror or type(error).__name__
    return UsageError(f"the journal {path} cannot be kept: {reason}; name another place for it with --journal")
