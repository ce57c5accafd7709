"""Changes to JSON values, and to the JSON files of a vendor."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from trunkline.exchange import Json, resolve

Edit: TypeAlias = Callable[[Json], Json]
"""Changes a value, or returns another one."""


def put(at: str, value: Json) -> Edit:
    """Set the value at a JSON Pointer."""

    def edit(content: Json) -> None:
        node, name = _place(content, at)
        node[name] = value

    return edit


def drop(at: str) -> Edit:
    """Remove the value at a JSON Pointer."""

    def edit(content: Json) -> None:
        node, name = _place(content, at)
        del node[name]

    return edit


def edit_file(path: Path, edit: Callable[[Json], object]) -> None:
    """Change the content of a JSON file in place."""
    content = json.loads(path.read_text("utf-8"))
    edit(content)
    path.write_text(json.dumps(content), "utf-8")


def _place(content: Json, at: str) -> tuple[Json, int | str]:
    """The object or list that holds the value at a JSON Pointer, and the name or index of the value in it."""
    parent, _, name = at.rpartition("/")
    node = resolve(content, parent)
    return node, int(name) if isinstance(node, list) else name.replace("~1", "/")
