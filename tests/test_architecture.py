"""The structure of the source: the direction of imports, the modules that import each dependency, lazy imports."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
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

ROWS = (
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
"""The entries of the package, lowest first. Each imports only from rows above its own, or from itself.

The modules of the first row may also import each other.
"""

IMPORTERS = {
    "jsonschema_rs": {"contract.schema"},
    "jsonschema": {"contract.schema"},
    "referencing": {"contract.schema"},
    "msgspec": {"check.replay", "contract", "exchange", "mock", "traffic"},
    "hypothesis": {"check.strategies"},
    "schemathesis": {"check.fuzz"},
    "h11": {"transport.client", "transport.forwarding", "transport.protocol", "transport.proxy"},
    "httpcore": {"transport.upstream"},
    "prometheus_client": {"transport.metrics"},
    "starlette": {"transport.routing", "transport.admin", "transport.proxy_status"},
    "jinja2": {"transport.pages"},
    "uvicorn": {"transport.server", "transport.protocol"},
    "uvloop": {"transport.server"},
    "sqlite3": {"mock.database"},
    "trustme": {"transport.tls"},
    "rich": {"report.terminal"},
    "yaml": {"traffic.plain_yaml"},
    "click": {"cli"},
    "pytest": {"plugin", "suite"},
}
"""The only modules, or packages, that import each dependency."""

AGAINST = {
    ("mock.loader", "traffic.validation"): "within `Vendor.validate`, for the caller's convenience",
}
"""The imports that point the other way, and why."""


@dataclass(frozen=True, slots=True)
class Import:
    """One import: `Import("trunkline.exchange")`. `typing`: only type checkers follow it."""

    name: str
    typing: bool


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """Each node of a file's syntax tree."""
    return tuple(ast.walk(parsed(path)))


@cache
def imports(path: Path) -> tuple[Import, ...]:
    """Each module that a file imports, at the top or within a function."""
    return tuple(_imports(path))


def _imports(path: Path) -> Iterator[Import]:
    typing = {
        id(node)
        for block in nodes(path)
        if isinstance(block, ast.If) and isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    for node in nodes(path):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, id(node) in typing)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} has a relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}".removeprefix("trunkline.")
                is_module = inner in MODULES or f"{inner}.__init__" in MODULES
                name = f"trunkline.{inner}" if is_module else node.module or ""
                yield Import(name, id(node) in typing)


def top_level(module: str) -> str:
    """The first level of a module's name: `check.rules.shape` -> `check`."""
    return module.partition(".")[0]


def test_every_entry_has_a_row() -> None:
    """`ROWS` lists each entry of the package once."""
    placed = [name for row in ROWS for name in row]
    assert len(placed) == len(set(placed))
    assert {top_level(module) for module in MODULES} - {"__init__"} <= set(placed)


def test_imports_point_one_way() -> None:
    """No entry imports from its own row or from a row below it, not even within a function, except as listed."""
    row = {name: number for number, names in enumerate(ROWS) for name in names}
    wrong: list[tuple[str, str]] = []
    for module, path in MODULES.items():
        here = top_level(module)
        for imported in imports(path):
            package, _, target = imported.name.partition(".")
            there = top_level(target)
            if package == "trunkline" and target and here not in (there, "__init__") and row[there] >= row[here] > 0:
                wrong.append((module, target))
    assert set(wrong) == set(AGAINST)


def test_each_dependency_is_imported_in_one_place() -> None:
    """Third-party packages are imported only where `IMPORTERS` says."""
    wrong = []
    for module, path in MODULES.items():
        for imported in imports(path):
            package = top_level(imported.name)
            stdlib = package in sys.stdlib_module_names and package not in IMPORTERS
            if imported.typing or stdlib or package == "trunkline":
                continue
            if not {*accumulate(module.split("."), "{}.{}".format)} & IMPORTERS.get(package, set()):
                wrong.append(f"{module} imports {package}")
    assert wrong == []


@pytest.mark.parametrize("name", folders.names())
def test_no_vendor_is_named_in_the_source(name: str) -> None:
    """Outside docstrings no vendor's name occurs in the source: a vendor is two folders and no code."""
    wrong = []
    for module, path in MODULES.items():
        if name not in path.read_text("utf-8").lower():
            continue
        prose = {
            id(node.value)
            for node in nodes(path)
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        }
        for node in nodes(path):
            words = [getattr(node, "id", ""), getattr(node, "attr", ""), getattr(node, "name", "")]
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
                words.append(node.value)
            wrong += [f"{module}:{node.lineno}" for word in words if isinstance(word, str) and name in word.lower()]  # type: ignore[attr-defined]  # what has words has a line
    assert wrong == []


def test_the_package_has_few_entries() -> None:
    """The top of the package has at most 16 entries."""
    assert len([path for path in SOURCE.iterdir() if path.name not in ("_data", "__pycache__")]) <= 16


def test_each_module_says_what_is_in_it() -> None:
    """Each module has a docstring, which begins with a noun or a verb: no "Owns ...", "What ..." or "TODO"."""
    openings = {
        module: (ast.get_docstring(parsed(path)) or "TODO").split()[0].strip(".") for module, path in MODULES.items()
    }
    assert [module for module, word in openings.items() if word in ("Owns", "What", "Nothing", "TODO")] == []


def loaded_by(statement: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after a statement."""
    code = f"import sys; {statement}; print('\\n'.join(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


LAZY = {
    "jsonschema_rs",
    "hypothesis",
    "schemathesis",
    "starlette",
    "uvicorn",
    "urllib3",
    "httpcore",
    "prometheus_client",
    "sqlite3",
    "trustme",
    "jinja2",
    "rich",
    "yaml",
    "click",
    "pytest",
    "ssl",
}
"""Modules that cost time or memory, and are therefore imported when they are first needed."""


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
def test_an_import_loads_only_what_it_uses(statement: str, allowed: set[str]) -> None:
    """Importing the package, the command line, the plugin or the mock loads no dependency that it does not need yet."""
    before = loaded_by(", ".join(["import os", *sorted(allowed)]))
    assert loaded_by(statement) & LAZY - before <= allowed


def test_the_package_exports_each_name_of_all() -> None:
    """Each name of `__all__` can be imported, and any other is an AttributeError."""
    for name in trunkline.__all__:
        assert getattr(trunkline, name).__name__.rpartition(".")[2] == name or name == "Target"
    with pytest.raises(AttributeError, match="nothing"):
        _ = trunkline.nothing


DOCS = SOURCE.parents[1] / "docs"
MAP = (DOCS / "architecture.md").read_text("utf-8") + (DOCS / "internals.md").read_text("utf-8")


def test_the_glossary_is_short() -> None:
    """Who begins here can learn its words in a minute: at most 20."""
    glossary = (DOCS / "architecture.md").read_text("utf-8").partition("## Glossary")[2].partition("##")[0]
    words = re.findall(r"^\| (?!term|---)([^|]+) \|", glossary, re.MULTILINE)
    assert 0 < len(words) == len({*words}) <= 20


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`([\w./]+)`", MAP))))
def test_the_map_names_what_exists(name: str) -> None:
    """Each path in the two pages exists, and so does each module, class and function."""
    first, *rest = name.split(".")
    if "/" in name:
        assert (SOURCE.parents[1] / name).exists()
    elif first in {entry for row in ROWS for entry in row}:
        value = importlib.import_module(f"trunkline.{first}")
        for part in rest:
            value = getattr(value, part, None) or importlib.import_module(f"{value.__name__}.{part}")
