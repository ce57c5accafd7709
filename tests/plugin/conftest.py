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
    """How the tests of each source ended: `{"test_each_test_starts_fresh": {"passed": 4}}`; and what pytest printed."""

    counts: Mapping[str, Mapping[str, int]]
    output: str


def together(*lines: str, **expected: int) -> Callable[[Callable[[], str]], Callable[[Outcomes], None]]:
    """Make a test of a function that gives the source of tests: `@together(passed=3)` says how they end.

    Each of `lines` is a pattern of a line that is printed then.

    Each source is a file of one run for the module, so it must not depend on what others import or change.
    """

    def decorate(source: Callable[[], str]) -> Callable[[Outcomes], None]:
        name = source.__name__
        SOURCES.setdefault(source.__module__, {})[name] = CLIENT + dedent(source())

        def test(outcomes: Outcomes) -> None:
            assert outcomes.counts.get(name) == expected, outcomes.output
            for line in lines:
                assert fnmatch.filter(outcomes.output.splitlines(), line), outcomes.output

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
    for case in ElementTree.parse(folder / "junit.xml").iter("testcase"):  # noqa: S314 - pytest has written it
        parts = [part.get("type") if part.tag == "skipped" else part.tag for part in case]
        kinds = [ENDED[part] for part in parts if part in ENDED] or ["passed"]
        counts.setdefault(case.attrib["classname"].partition(".")[0], Counter()).update(kinds)
    return Outcomes(counts, done.stdout + done.stderr)
