"""The files of a vendor's data, which can be read again while its mock is served."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Lock
from typing import TypeAlias

from trunkline.contract.folders import roots
from trunkline.errors import TrunklineError
from trunkline.mock.loader import Vendor

_State: TypeAlias = frozenset[tuple[Path, int, int]]
"""Each file with the time of its last change, in nanoseconds, and its size in bytes."""


class Source:
    """One vendor's data. `load` reads them; `overlay` is a folder laid out as `fixtures/`, or None."""

    def __init__(self, name: str, load: Callable[[], Vendor], overlay: Path | None = None) -> None:
        folders = [root / kind / name for root in roots() for kind in ("schemas", "fixtures")]
        self._folders = [*folders, *([overlay / name] if overlay else [])]
        self._load = load
        self._lock = Lock()
        self._before = self._read_state = _state(self._folders)
        self._read: Vendor | TrunklineError = load()

    @property
    def vendor(self) -> Vendor:
        """The vendor as its files are now; they are read only if they have changed. Raises what `load` raises."""
        with self._lock:
            state = _state(self._folders)
            if state != self._read_state:
                self._read_state = state
                try:
                    self._read = self._load()
                except TrunklineError as error:
                    self._read = error
            if isinstance(self._read, TrunklineError):
                raise self._read.with_traceback(None)
            return self._read

    def has_changed(self) -> bool:
        """Whether files have changed since they were read, and not since the last call: an editor has finished."""
        before, self._before = self._before, _state(self._folders)
        return self._before != self._read_state and self._before == before


def _state(folders: Iterable[Path]) -> _State:
    found = set()
    for path in (path for folder in folders for path in folder.glob("*")):
        try:
            about = path.stat()
        except OSError:  # it was removed, or may not be read: the loader says so
            continue
        found.add((path, about.st_mtime_ns, about.st_size))
    return frozenset(found)
