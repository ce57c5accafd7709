"""The commands and files that README.md and docs/ show do what is shown: run them and compare the output."""

from __future__ import annotations

import doctest
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import free_port

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = {
    path: path.read_text("utf-8")
    for pattern in ("*.md", "docs/*.md", ".github/**/*.md")
    for path in sorted(ROOT.glob(pattern))
}
BETWEEN = "----between two commands----"
SLOW = ("pytest", "trunkline check", "trunkline drift", "trunkline watch")
"""The beginnings of commands that are left to the second tier: other tests of the first run such commands."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the documents show."""
    folder = tmp_path_factory.mktemp("readme")
    for text in DOCUMENTS.values():
        for name, code in re.findall(r"```python\n# (\w+\.py)\n(.*?)```", text, re.DOTALL):
            (folder / name).write_text(code, "utf-8")
    return folder


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    """The environment variables: the installed commands are on the path, and no settings of this test run."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("TRUNKLINE_", "PYTEST_"))}
    return {**clean, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


@pytest.fixture(scope="module")
def port() -> str:
    """A free port."""
    return str(free_port())


@pytest.fixture
def served(folder: Path, environment: dict[str, str], port: str) -> Iterator[None]:
    """Serve the mocks for one block, on a free port."""
    command = ["trunkline", "serve", "--port", port]
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"{")
        yield
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0


def commands(console: str) -> Iterator[tuple[str, str]]:
    """Each (command, expected output) of a console block."""
    for part in re.split(r"^\$ ", console, flags=re.MULTILINE)[1:]:
        command, _, expected = part.partition("\n")
        yield command, expected


def cases() -> Iterator[object]:
    """The commands and outputs of each console block."""
    for path, text in DOCUMENTS.items():
        for number, console in enumerate(re.findall(r"```console\n(.*?)```", text, re.DOTALL), 1):
            shown = [pair for pair in commands(console) if not pair[0].endswith("&")]
            slow = any(command.startswith(SLOW) for command, _ in shown)
            yield pytest.param(shown, id=f"{path.name}-{number}", marks=[pytest.mark.slow] * slow)


@pytest.mark.parametrize("case", [*cases()])
def test_a_command_prints_what_is_shown(
    case: list[tuple[str, str]], folder: Path, environment: dict[str, str], port: str, request: pytest.FixtureRequest
) -> None:
    """Run the commands of a block one after another in one shell. `...` in the documents stands for any output."""
    script = f"\necho '{BETWEEN}'\n".join(command for command, _ in case)
    if "8900" in script:
        request.getfixturevalue("served")
    done = subprocess.run(
        ["bash", "-c", script.replace("8900", port)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    outputs = done.stdout.replace("\r", "").split(f"{BETWEEN}\n")
    checker = doctest.OutputChecker()
    for (command, shown), output in zip(case, outputs, strict=True):
        actual = output.removesuffix(BETWEEN).rstrip("\n") + "\n"
        expected = re.sub(r"^\.\.\.\n", "...", shown, flags=re.MULTILINE)
        expected = shown if re.match(r"\.+ {3}", shown) else expected
        assert checker.check_output(expected or "\n", actual, doctest.ELLIPSIS), f"{command}\n{actual}\n{done.stderr}"


def test_every_link_leads_to_a_file() -> None:
    """Each relative link of the documents names a file or folder of the checkout."""
    for page, text in DOCUMENTS.items():
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_anchor_leads_to_a_heading() -> None:
    """Each link to a section names a heading of that document."""
    anchors = {
        path: {
            re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
            for title in re.findall(r"^#+ (.*)", text, re.MULTILINE)
        }
        for path, text in DOCUMENTS.items()
    }
    for page, text in DOCUMENTS.items():
        for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", text):
            path = (page.parent / target).resolve() if target else page
            assert anchor in anchors[path], f"{page.name} links to {target}#{anchor}"
