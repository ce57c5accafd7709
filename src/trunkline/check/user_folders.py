"""Files in the user's folders, as the XDG Base Directory Specification places them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path

from trunkline.errors import UsageError


def state_file(name: str, base: str, ending: str, way_out: str, environ: Mapping[str, str] = os.environ) -> Path:
    """The file about a base address in $XDG_STATE_HOME/trunkline or ~/.local/state/trunkline."""
    folder = _folder("XDG_STATE_HOME", ".local/state", environ)
    if folder is None:
        raise UsageError(f"there is no home directory to keep a file in; {way_out}")
    host = re.sub(r"[^a-z0-9.-]+", "_", base.partition("://")[2].lower())[:60]
    return folder / f"{name}-{host}-{blake2b(base.encode(), digest_size=4).hexdigest()}.{ending}"


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder for files of Hypothesis: $XDG_CACHE_HOME/trunkline/hypothesis, or else in ~/.cache.

    It has tables of Unicode, which take more than a second to make, and no examples. Where there is no home directory,
    Hypothesis cannot write to the path, and makes the tables each time.
    """
    return (_folder("XDG_CACHE_HOME", ".cache", environ) or Path(os.devnull)) / "hypothesis"


def _folder(variable: str, default: str, environ: Mapping[str, str]) -> Path | None:
    """The folder of trunkline in the one that a variable names, or by default in that of the home directory."""
    named = Path(environ.get(variable, ""))
    try:
        return (named if named.is_absolute() else Path.home() / default) / "trunkline"
    except RuntimeError:
        return None
