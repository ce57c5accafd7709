"""The exported documents serve generators of clients and linters, and the schema files serve a strict validator.

The tools are installed by the tests themselves, from `tests/generators`, in a folder of their own: two generators for
Python alone bring thirty packages, which nothing else here needs and which the lock would have to hold.
"""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import shutil
import sys
from functools import partial
from pathlib import Path

import pytest

import trunkline
from tests import commands
from tests.servers import serving
from trunkline.contract import export, folders
from trunkline.exchange import resolve
from trunkline.mock.loader import Vendor

SOURCES = Path(__file__).with_name("generators")
ROOT = folders.roots()[0]
DOCUMENTATION = (ROOT / "docs" / "export.md").read_text("utf-8")
VENDORS = folders.names()

pytestmark = pytest.mark.slow


run = partial(commands.run, NO_COLOR="1", REDOCLY_TELEMETRY="off", REDOCLY_SUPPRESS_UPDATE_NOTICE="true")
"""Run a tool, which does not look for a newer version of itself."""


def installed(factory: pytest.TempPathFactory, worker: str, name: str, *steps: tuple[str, ...]) -> Path:
    """A copy of `tests/generators`, with the documents and what the steps install. All workers share it."""
    base = factory.getbasetemp()
    folder = (base if worker == "master" else base.parent) / name
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            shutil.copytree(SOURCES, folder)
            for vendor in map(trunkline.load, VENDORS):
                document = export.document(vendor.contract, examples=vendor.example_ids, bodies=vendor.example_bodies)
                (folder / f"{vendor.name}.json").write_text(json.dumps(document), "utf-8")
            try:
                for command in steps:
                    run(*command, cwd=folder)
            except BaseException:
                shutil.rmtree(folder)
                raise
    return folder


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder in which the tools for Node.js are installed."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node and npm are not on the PATH, so no tool for Node.js was tried on the exported documents")
    options = ("--ignore-scripts", "--no-package-lock", "--no-audit", "--no-fund", "--no-update-notifier")
    return installed(tmp_path_factory, worker_id, "node", ("npm", "install", *options))


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder in which the generators for Python are installed, in an environment of their own."""
    make = (sys.executable, "-m", "venv", "tools")
    install = ("tools/bin/python", "-m", "pip", "install", "--quiet", "-r", "requirements.txt")
    return installed(tmp_path_factory, worker_id, "python", make, install)


def documented(command: str, vendor: Vendor) -> list[str]:
    """A command of docs/export.md, for a vendor."""
    lines = DOCUMENTATION.splitlines()
    [line] = [line for line in lines if line.startswith(f"{command} ") and "VENDOR" in line]
    return shlex.split(line.replace("VENDOR", vendor.name))


def test_linters_find_nothing(node: Path, vendor: Vendor) -> None:
    """The recommended rules of Redocly and of Spectral have neither an error nor a warning, nor a hint."""
    command = documented("redocly", vendor)
    found = json.loads(run(*tool(node, command), "--format=json", cwd=node).stdout)
    assert found["totals"] == {"errors": 0, "warnings": 0, "ignored": 0}, found["problems"]
    assert run(*tool(node, documented("spectral", vendor)), cwd=node).stdout.startswith("No results")


def test_a_typescript_client_works_on_the_mock(node: Path, vendor: Vendor) -> None:
    """Its types are strict enough for the compiler, and its requests are answered as they say."""
    done = run(*tool(node, documented("openapi-typescript", vendor)), cwd=node)
    assert "warn" not in (done.stdout + done.stderr).lower()
    project = {"extends": "./tsconfig.json", "compilerOptions": {"outDir": vendor.name}, "files": [f"{vendor.name}.ts"]}
    (node / f"{vendor.name}.tsconfig.json").write_text(json.dumps(project), "utf-8")
    run(*tool(node, ["tsc", "--project", f"{vendor.name}.tsconfig.json"]), cwd=node)
    call("node", f"{vendor.name}/{vendor.name}.js", cwd=node, vendor=vendor)


def test_python_clients_work_on_the_mock(python: Path, vendor: Vendor) -> None:
    """Two generators have nothing to warn of, and what they make takes what the mock answers."""
    path = f"{python / 'tools/bin'}{os.pathsep}{os.environ['PATH']}"
    for command in ("openapi-python-client", "datamodel-codegen"):
        line = documented(command, vendor)
        done = run(python / "tools/bin" / line[0], *line[1:], cwd=python, PATH=path)
        assert "warning" not in (done.stdout + done.stderr).lower()
    call("tools/bin/python", f"{vendor.name}.py", cwd=python, vendor=vendor)


def test_ajv_judges_as_the_contract_does(node: Path, vendor: Vendor) -> None:
    """With the options that the documentation names, its strict mode takes each schema and accepts the same samples.

    The schemas of trunkline's own formats are among them.
    """
    code = (SOURCES / "validate.mjs").read_text("utf-8")
    for line in DOCUMENTATION.partition("```js\n")[2].partition("```")[0].splitlines():
        assert line in code or line.startswith("const validate")
    contract, bodies, verdicts = vendor.contract, [], []
    for case in vendor.cases:
        response = contract.operation(case["operation"]).response_for(case["status"])
        if response and response.schema:
            file = resolve(contract.document, response.schema)["$ref"]
            bodies.append([contract.files[file]["$id"], case["body"]])
            verdicts.append(contract.accepts(response.schema, case["body"]))
    files = [str(path) for path in (ROOT / "schemas" / vendor.name).glob("*.json") if path.name != "openapi.json"]
    files += [str(path) for path in Path(trunkline.__file__).parent.glob("*/*.schema.json")]
    done = run("node", "validate.mjs", cwd=node, given=json.dumps({"files": files, "bodies": bodies}))
    assert json.loads(done.stdout) == verdicts
    assert {True, False} <= set(verdicts)
    assert not done.stderr, "strict mode logs what it would rather not have"


def tool(folder: Path, command: list[str]) -> tuple[str | Path, ...]:
    """A command that npm installed."""
    return folder / "node_modules/.bin" / command[0], *command[1:]


def call(*command: str, cwd: Path, vendor: Vendor) -> None:
    """Run a client against a mock of the vendor."""
    with serving(vendor.name) as (_, announced):
        served = announced["vendors"][vendor.name]
        run(*command, served["url"], cwd=cwd, TRUNKLINE_TOKEN=served["token"])
