"""What README.md shows is what happens: its files are written, its commands are run, their output is compared."""

from __future__ import annotations

import doctest
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

README = Path(__file__).resolve().parents[1] / "README.md"
STATEFUL_LAWS = README.parent / "docs" / "life.md"
CONSOLES = [
    console
    for page in (README, STATEFUL_LAWS)
    for console in re.findall(r"```console\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
]
BETWEEN = "----between two commands----"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the pages show."""
    folder = tmp_path_factory.mktemp("readme")
    for page in (README, STATEFUL_LAWS):
        for name, code in re.findall(r"```python\n# (\w+\.py)\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
            (folder / name).write_text(code, "utf-8")
    return folder


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    """The installed commands on the path, and nothing of the outer run."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("TRUNKLINE_", "PYTEST_"))}
    return {**clean, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


@pytest.fixture(scope="module")
def port() -> str:
    """A port that is free."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@pytest.fixture
def served(folder: Path, environment: dict[str, str], port: str) -> Iterator[None]:
    """The mocks that README.md starts in the background, fresh for each block, on a port that is free."""
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


CASES = [[pair for pair in commands(console) if not pair[0].endswith("&")] for console in CONSOLES]


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize("case", CASES, ids=[case[0][0][:40] if case else "nothing" for case in CASES])
def test_what_is_shown_happens(
    case: list[tuple[str, str]], folder: Path, environment: dict[str, str], port: str
) -> None:
    """The output of each command of a block, run one after another in one shell, is the one shown, but for dots."""
    script = f"\necho '{BETWEEN}'\n".join(command for command, _ in case)
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
    for (command, expected), output in zip(case, outputs, strict=True):
        seen = output.removesuffix(BETWEEN).rstrip("\n") + "\n"
        wanted = re.sub(r"^\.\.\.\n", "...", expected, flags=re.MULTILINE)
        wanted = expected if expected.startswith("...   ") else wanted
        assert checker.check_output(wanted or "\n", seen, doctest.ELLIPSIS), f"{command}\n{seen}\n{done.stderr}"


def test_every_link_leads_somewhere() -> None:
    """Each relative link of README.md and docs/ names a file that is there."""
    pages = [README, *sorted((README.parent / "docs").glob("*.md"))]
    for page in pages:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
