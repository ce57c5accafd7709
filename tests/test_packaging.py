"""The wheel and the sdist contain the code, the data and the license of the checkout, and nothing else."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.commands import run

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("schemas", "fixtures", "docs")
"""The folders of the checkout that are a part of the wheel; of the last, only the pages."""
LOCKS = ("requirements.lock", "requirements-test.lock", "requirements-install.lock")
DATA = "trunkline/_data/"


@dataclass(frozen=True, slots=True)
class Built:
    """The files that were built from a copy of the checkout; archives are `{name: bytes}`."""

    file: Path
    wheel: dict[str, bytes]
    sdist: dict[str, bytes]
    wheel_of_sdist: dict[str, bytes]


def build(source: Path, into: Path, *kinds: str) -> None:
    run(sys.executable, "-m", "build", "--no-isolation", *kinds, "--outdir", into, source)


def only(folder: Path, pattern: str) -> Path:
    (found,) = folder.glob(pattern)
    return found


def unzipped(file: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}


def untarred(file: Path) -> dict[str, bytes]:
    """The sdist's files, by their names below its one top folder."""
    found = {}
    with tarfile.open(file) as archive:
        for member in archive:
            handle = archive.extractfile(member)
            if handle is not None:
                found[member.name.partition("/")[2]] = handle.read()
    return found


def data_files() -> dict[str, bytes]:
    """Every file below the folders, by its path from the top: `schemas/x/openapi.json`."""
    return {
        path.relative_to(ROOT).as_posix(): path.read_bytes()
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Build everything once, from a copy, so that the checkout does not change."""
    top = tmp_path_factory.mktemp("packaging")
    ignored = [line.rstrip("/") for line in (ROOT / ".gitignore").read_text("utf-8").split()]
    source = top / "source"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".git", *ignored))
    build(source, top / "dist", "--wheel", "--sdist")
    archive = only(top / "dist", "*.tar.gz")
    with tarfile.open(archive) as opened:
        opened.extractall(top / "unpacked", filter="data")
    build(only(top / "unpacked", "*"), top / "again", "--wheel")
    file = only(top / "dist", "*.whl")
    return Built(file, unzipped(file), untarred(archive), unzipped(only(top / "again", "*.whl")))


def test_there_are_data_to_compare() -> None:
    """All folders contain files, so that the comparisons below are not empty."""
    assert {name.partition("/")[0] for name in data_files()} == set(FOLDERS)


def test_the_wheel_contains_the_data_and_no_other(built: Built) -> None:
    """`_data` in the wheel contains the files of the folders, byte for byte, and nothing else."""
    shipped = {name.removeprefix(DATA): body for name, body in built.wheel.items() if name.startswith(DATA)}
    wanted = data_files()
    wanted = {name: wanted[name] for name in wanted if not re.fullmatch(r"docs/.*(?<!\.md)", name)}
    assert shipped == {"README.md": (ROOT / "README.md").read_bytes(), **wanted}


def test_the_sdist_contains_the_data_and_no_other(built: Built) -> None:
    """The sdist contains the folders of the checkout."""
    shipped = {name: body for name, body in built.sdist.items() if name.partition("/")[0] in FOLDERS}
    assert shipped == data_files()


def test_the_wheel_is_the_package_its_data_and_its_metadata(built: Built) -> None:
    """No test, benchmark or stray file is installed."""
    package = {
        f"trunkline/{path.relative_to(ROOT / 'src' / 'trunkline').as_posix()}"
        for path in (ROOT / "src" / "trunkline").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    rest = {name for name in built.wheel if not name.startswith(DATA) and ".dist-info/" not in name}
    assert rest == package


def test_the_wheel_says_that_it_is_typed(built: Built) -> None:
    """The wheel contains the marker of PEP 561."""
    assert "trunkline/py.typed" in built.wheel


def test_both_contain_the_license(built: Built) -> None:
    """The wheel and the sdist contain the license."""
    text = (ROOT / "LICENSE").read_bytes()
    assert built.sdist["LICENSE"] == text
    assert [body for name, body in built.wheel.items() if name.endswith(".dist-info/licenses/LICENSE")] == [text]


def test_the_sdist_builds_the_same_wheel(built: Built) -> None:
    """A wheel built from the sdist has the same files with the same bytes."""
    assert built.wheel_of_sdist == built.wheel


def test_the_sdist_can_be_tested(built: Built) -> None:
    """The sdist contains the locks, the tests, the image, the actions and the documents beside the README."""
    documents = ("README.md", "CHANGELOG.md", "docs/compose.yaml")
    images = ("Containerfile", ".dockerignore", ".github/actions/steps.py")
    for name in ("pyproject.toml", *LOCKS, *documents, *images, "tests/test_packaging.py"):
        assert built.sdist[name] == (ROOT / name).read_bytes()


def test_the_lock_pins_what_the_project_asks_for() -> None:
    """Every dependency, test tool and build tool is pinned to a version that `pyproject.toml` allows."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    project = pyproject["project"]
    extras = project["optional-dependencies"]
    for_installing = [*pyproject["build-system"]["requires"], *project["dependencies"]]
    wanted = {
        "requirements.lock": [*for_installing, *extras["test"], *extras["dev"]],
        "requirements-test.lock": [*for_installing, *extras["test"]],
        "requirements-install.lock": for_installing,
    }
    for lock, requirements in wanted.items():
        versions = pins(lock)
        for requirement in map(Requirement, requirements):
            assert requirement.specifier.contains(versions[canonicalize_name(requirement.name)]), str(requirement)


def test_each_lock_is_a_part_of_the_next() -> None:
    """All pin the same versions: an installation needs no tools of the tests, and these need no other tools."""
    install, test, everything = (pins(f"requirements{name}.lock") for name in ("-install", "-test", ""))
    assert install.items() < test.items() < everything.items()
    assert "pytest-xdist" in test.keys() - install.keys()
    assert "mypy" in everything.keys() - test.keys()


@pytest.mark.parametrize("lock", LOCKS)
def test_the_lock_has_hashes_and_no_address(lock: str) -> None:
    """Every pin has a hash, and no line names an index, an address or a folder."""
    lines = (ROOT / lock).read_text("utf-8").splitlines()
    for number, line in enumerate(lines):
        if "==" in line:
            assert lines[number + 1].startswith("    --hash=sha256:"), line
        assert "://" not in line
        assert " /" not in line
        assert not line.startswith("-")


def pins(lock: str) -> dict[str, str]:
    """The versions in a lock, by the name of the package: `{"click": "8.5.1"}`."""
    lines = (ROOT / lock).read_text("utf-8").splitlines()
    pinned = [Requirement(line.rstrip("\\ ")) for line in lines if line and not line.startswith((" ", "#"))]
    return {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in pinned}


def test_the_checkout_holds_one_copy_of_the_data() -> None:
    """`_data` exists only in built packages."""
    assert not list((ROOT / "src").rglob("_data"))


def test_the_installed_wheel_finds_its_data(built: Built, tmp_path: Path) -> None:
    """Installed away from the checkout, the package loads every vendor of the checkout."""
    target = tmp_path / "installed"
    pip = (sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--quiet")
    run(*pip, "--no-deps", "--no-index", "--no-compile", "--target", target, built.file)
    script = """
import json, trunkline.mock.loader
loaded = {name: trunkline.mock.loader.load(name).name for name in trunkline.contract.folders.names()}
print(json.dumps({"file": trunkline.mock.loader.__file__, "loaded": loaded}))
"""
    environment = {**os.environ, "PYTHONPATH": str(target)}
    environment.pop("TRUNKLINE_DATA", None)
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    printed = json.loads(done.stdout)
    assert Path(printed["file"]).is_relative_to(target)
    vendors = sorted(path.name for path in (ROOT / "schemas").iterdir() if path.is_dir())
    assert printed["loaded"] == {name: name for name in vendors}
