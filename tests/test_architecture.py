"""The shape of the source: imports point one way, each dependency has one door, modules stay readable."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import trunkline
from trunkline.contract import folders

SOURCE = Path(trunkline.__file__).parent
MODULES = {
    ".".join(path.relative_to(SOURCE).with_suffix("").parts): path
    for path in sorted(SOURCE.rglob("*.py"))
    if "_data" not in path.parts
}

ROOMS = (
    ("errors", "exchange", "redaction"),
    ("findings",),
    ("contract",),
    ("mock",),
    ("transport",),
    ("check",),
    ("traffic",),
    ("report",),
    ("settings",),
    ("plugin", "cli"),
    ("suite",),
)
"""A room imports only from the rows above its own, or from itself."""

DOORS = {
    "jsonschema_rs": {"contract.schema"},
    "msgspec": {"contract", "mock"},
    "typing_extensions": {"contract.model"},
    "hypothesis": {"check.strategies", "check.stateful.machine"},
    "schemathesis": {"check.fuzz"},
    "starlette": {"transport.server"},
    "uvicorn": {"transport.server"},
    "sqlite3": {"mock.storage"},
    "rich": {"report.terminal"},
    "click": {"cli"},
    "pytest": {"plugin", "suite"},
}
"""The only modules, or rooms, that import each dependency."""

LATE = {
    ("mock.loader", "traffic.sources"): "`Vendor.validate`, for the caller's convenience",
    ("mock.records", "plugin.mocked"): "to be moved",
    ("transport.connect", "traffic"): "to be moved",
}
"""Imports within a function that point the other way, and why."""


def room(module: str) -> str:
    """The module or package of the first level: `check.rules.shape` -> `check`."""
    return module.partition(".")[0]


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Each module that a file imports, at any depth, and whether at the top: `("trunkline.exchange", True)`."""
    tree = ast.parse(path.read_text("utf-8"))
    top = set(map(id, tree.body))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, id(node) in top
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} has a relative import"
            for alias in node.names:
                within = f"{node.module}.{alias.name}"
                name = within.removeprefix("trunkline.")
                known = node.module == "trunkline" and (name in MODULES or f"{name}.__init__" in MODULES)
                yield within if known else node.module or "", id(node) in top


def test_every_room_has_a_row() -> None:
    """A new room says where it belongs."""
    placed = [name for row in ROOMS for name in row]
    assert len(placed) == len(set(placed))
    assert {room(module) for module in MODULES} - {"__init__", "__main__"} <= set(placed)


def test_imports_point_one_way() -> None:
    """No room imports from its own row or from one below it."""
    row = {name: number for number, names in enumerate(ROOMS) for name in names}
    wrong = []
    for module, path in MODULES.items():
        for imported, _ in imports(path):
            package, _, target = imported.partition(".")
            here, there = room(module), room(target)
            if package != "trunkline" or not target or here in (there, "__init__", "__main__"):
                continue
            if (module, target) in LATE:
                continue
            if there in row and row[there] >= row[here] and row[here] > 0:
                wrong.append(f"{module} imports {target}")
    assert wrong == []


def test_each_dependency_has_one_door() -> None:
    """A third-party package is known by one module only, and there is no package beside those named."""
    wrong = []
    for module, path in MODULES.items():
        for imported, _ in imports(path):
            package = room(imported)
            stdlib = package in sys.stdlib_module_names and package not in DOORS
            if stdlib or package in ("trunkline", "__future__"):
                continue
            if not {module, room(module)} & DOORS.get(package, set()):
                wrong.append(f"{module} imports {package}")
    assert wrong == []


@pytest.mark.parametrize("name", folders.names())
def test_no_vendor_is_named_in_the_source(name: str) -> None:
    """A vendor is two folders and no code: outside examples in docstrings its name is not in the source."""
    wrong = []
    for module, path in MODULES.items():
        tree = ast.parse(path.read_text("utf-8"))
        prose = {
            id(node.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        }
        for node in ast.walk(tree):
            words = [getattr(node, "id", ""), getattr(node, "attr", ""), getattr(node, "name", "")]
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
                words.append(node.value)
            wrong += [f"{module}:{node.lineno}" for word in words if isinstance(word, str) and name in word.lower()]  # type: ignore[attr-defined]  # what has words has a line
    assert wrong == []


def test_the_top_of_the_package_can_be_seen_at_a_glance() -> None:
    """At most 16 entries stand at the top of the package, and each module says first what is in it."""
    assert len([path for path in SOURCE.iterdir() if path.name not in ("_data", "__pycache__")]) <= 16
    assert [
        module for module, path in MODULES.items() if not ast.get_docstring(ast.parse(path.read_text("utf-8")))
    ] == []


def loaded_by(statement: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after a statement."""
    code = f"import sys; {statement}; print('\\n'.join(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


HEAVY = {
    "jsonschema_rs",
    "hypothesis",
    "schemathesis",
    "starlette",
    "uvicorn",
    "urllib3",
    "sqlite3",
    "rich",
    "click",
    "pytest",
    "ssl",
}


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        ("import trunkline", set()),
        ("import trunkline.cli", {"click"}),
        ("import trunkline.plugin", {"pytest"}),
        ("import trunkline; trunkline.load('telepath')", {"jsonschema_rs"}),
        ("from trunkline import mock", {"jsonschema_rs"}),
        ("import trunkline.check.rules", {"jsonschema_rs"}),
        ("import trunkline.check.laws", {"jsonschema_rs"}),
    ],
)
def test_nothing_heavy_is_loaded_that_is_not_used(statement: str, allowed: set[str]) -> None:
    """Importing the package, the command line, the plugin or the mock loads only the dependency it is the door to."""
    before = loaded_by(", ".join(["import os", *sorted(allowed)]))
    assert loaded_by(statement) & HEAVY - before <= allowed


def test_the_package_exports_what_it_says() -> None:
    """Each name of `__all__` is there, and an unknown one is an AttributeError."""
    for name in trunkline.__all__:
        assert getattr(trunkline, name).__name__ == name or name == "Target"
    with pytest.raises(AttributeError, match="nothing"):
        _ = trunkline.nothing
