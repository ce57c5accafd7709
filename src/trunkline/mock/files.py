"""The files of a vendor's data, which can be read again while its mock is served."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from threading import Event, Lock, Thread
from typing import TypeAlias

from trunkline.contract.folders import roots
from trunkline.errors import TrunklineError
from trunkline.exchange import encodable
from trunkline.mock.loader import Vendor
from trunkline.mock.session import MockSession

log = logging.getLogger("trunkline.mock.files")

_LOOK_EVERY = 0.5
"""Seconds between two looks at the files that are watched."""

_State: TypeAlias = frozenset[tuple[Path, int, int]]
"""Each file with the time of its last change, in nanoseconds, and its size in bytes."""
_Contents: TypeAlias = frozenset[tuple[Path, bytes]]
"""Each file with a hash of its content."""


class VendorFiles:
    """The files of one vendor's data. `load` reads them; `overlay` is a folder laid out as `fixtures/`, or None."""

    def __init__(self, name: str, load: Callable[[], Vendor], overlay: Path | None = None) -> None:
        folders = [root / kind / name for root in roots() for kind in ("schemas", "fixtures")]
        self._folders = [*folders, *([overlay / name] if overlay else [])]
        self._load = load
        self._lock = Lock()
        self._before = self._read_state = _state(self._folders)
        self._read_contents = _contents(self._folders)
        self._read: Vendor | TrunklineError = load()

    @property
    def vendor(self) -> Vendor:
        """The vendor as its files are now; they are read only if they have changed. Raises what `load` raises."""
        with self._lock:
            state = _state(self._folders)
            if state != self._read_state:
                self._read_state, self._read_contents = state, _contents(self._folders)
                try:
                    self._read = self._load()
                except TrunklineError as error:
                    self._read = error
            if isinstance(self._read, TrunklineError):
                raise self._read.with_traceback(None)
            return self._read

    def has_changed(self) -> bool:
        """Whether files have changed since they were read, and not since the last call: an editor has finished.

        A file that was written again with the same content has not changed.
        """
        with self._lock:
            before, self._before = self._before, _state(self._folders)
            if self._before == self._read_state or self._before != before:
                return False
            if _contents(self._folders) == self._read_contents:
                self._read_state = self._before
            return self._before != self._read_state


@contextmanager
def watching(files: Mapping[str, VendorFiles], session: MockSession) -> Iterator[None]:
    """Look at the files of vendors twice a second, and reset the mock of a vendor whose files have changed."""
    is_over, broken = Event(), set[str]()

    def watch() -> None:
        while not is_over.wait(_LOOK_EVERY):
            for name in (name for name, own in files.items() if own.has_changed()):
                try:
                    session.reset(name)
                except TrunklineError as error:
                    log.error("%s; %s goes on with what it last read", encodable(str(error)), name)  # noqa: TRY400 - one sentence
                    broken.add(name)
                else:
                    mended = ", which can be read again" if name in broken else ""
                    log.info("%s was reset to its changed fixtures%s", name, mended)
                    broken.discard(name)

    watcher = Thread(target=watch, name="trunkline-watch", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        watcher.join()


def _contents(folders: Iterable[Path]) -> _Contents:
    found = set()
    for path, *_ in _state(folders):
        with suppress(OSError):  # as below
            found.add((path, sha256(path.read_bytes()).digest()))
    return frozenset(found)


def _state(folders: Iterable[Path]) -> _State:
    found = set()
    for path in (path for folder in folders for path in folder.glob("*")):
        try:
            about = path.stat()
        except OSError:  # it was removed, or may not be read: the loader says so
            continue
        found.add((path, about.st_mtime_ns, about.st_size))
    return frozenset(found)
