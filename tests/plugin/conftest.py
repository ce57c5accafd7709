"""One run of pytest, in a process of its own, that serves several tests of a module."""

from __future__ import annotations

import fnmatch
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from textwrap import dedent
from xml.etree import ElementTree

import pytest

CLIENT = """
import json, urllib.request
import pytest
from trunkline.exchange import Request
from urllib.error import HTTPError

def get(mock, path):
    request = urllib.request.Request(mock.url + path, headers={"Authorization": f"Bearer {mock.token}"})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)
    except HTTPError as error:  # it holds a socket, which a later test would be blamed for
        error.close()
        raise
"""
ACTIVE = ("-p", "trunkline.plugin", "-p", "no:cacheprovider", "--strict-markers", "-Werror")
ENDED = {"failure": "failed", "error": "errors", "pytest.skip": "skipped", "pytest.xfail": "xfailed"}
"""The outcomes, by the names that a JUnit file gives them."""
SOURCES: dict[str, dict[str, str]] = {}
"""For each module, the sources that are run together, by the name of the test that looks at their outcomes."""


@dataclass(frozen=True)
class Outcomes:
    """How the tests of each source ended, `{"test_each_test_starts_fresh": {"passed": 4}}`, and what pytest printed."""

    counts: Mapping[str, Mapping[str, int]]
    failures: Mapping[str, str]
    """The text of all failures of each source."""
    output: str

    def lines_of(self, name: str) -> list[str]:
        """The lines about one source: an outcome for each of its tests, and its failures."""
        progress = [line for line in self.output.splitlines() if line.startswith(f"{name}.py::")]
        return [*progress, *self.failures.get(name, "").splitlines()]


def together(*lines: str, **expected: int) -> Callable[[Callable[[], str]], Callable[[Outcomes], None]]:
    """Make a test of a function that returns the source of tests: `@together(passed=3)` says how they end.

    Each of `lines` is a pattern that must match a line which pytest prints about this source. All sources of a module
    are files of one run, so none may depend on what another one imports or changes.
    """

    def decorate(source: Callable[[], str]) -> Callable[[Outcomes], None]:
        name = source.__name__
        SOURCES.setdefault(source.__module__, {})[name] = CLIENT + dedent(source())

        def test(outcomes: Outcomes) -> None:
            assert outcomes.counts.get(name) == expected, outcomes.output
            for line in lines:
                assert fnmatch.filter(outcomes.lines_of(name), line), outcomes.output

        test.__name__, test.__doc__ = name, source.__doc__
        return test

    return decorate


@pytest.fixture(scope="module")
def outcomes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """Run the sources of a module, with no other plugin."""
    folder = tmp_path_factory.mktemp("together")
    for name, source in SOURCES[request.module.__name__].items():
        (folder / f"{name}.py").write_text(source, "utf-8")
    environ = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
    environ |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-m", "pytest", *ACTIVE, "-v", "--junit-xml=junit.xml"]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=120, check=False)
    counts: dict[str, Counter[str]] = {}
    failures: dict[str, str] = {}
    for case in ElementTree.parse(folder / "junit.xml").iter("testcase"):  # noqa: S314 - pytest has written it
        name = case.attrib["classname"].partition(".")[0]
        parts = [part.get("type") if part.tag == "skipped" else part.tag for part in case]
        kinds = [ENDED[part] for part in parts if part in ENDED] or ["passed"]
        counts.setdefault(name, Counter()).update(kinds)
        failures[name] = "\n".join([failures.get(name, ""), *(part.text or "" for part in case.findall("failure"))])
    return Outcomes(counts, failures, done.stdout + done.stderr)
