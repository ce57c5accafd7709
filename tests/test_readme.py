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
CONSOLES = re.findall(r"```console\n(.*?)```", README.read_text("utf-8"), re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that README.md shows."""
    folder = tmp_path_factory.mktemp("readme")
    for name, code in re.findall(r"```python\n# (\w+\.py)\n(.*?)```", README.read_text("utf-8"), re.DOTALL):
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


@pytest.fixture(scope="module")
def served(folder: Path, environment: dict[str, str], port: str) -> Iterator[None]:
    """The mock that README.md starts in the background, on a port that is free."""
    command = ["trunkline", "serve", "telepath", "--port", port]
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


CASES = [
    (command, expected) for console in CONSOLES for command, expected in commands(console) if not command.endswith("&")
]


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize(("command", "expected"), CASES, ids=[command[:40] for command, _ in CASES])
def test_what_is_shown_happens(
    command: str, expected: str, folder: Path, environment: dict[str, str], port: str
) -> None:
    """The output of each command is the one shown, but for what is left out with dots."""
    done = subprocess.run(
        ["bash", "-c", command.replace("8900", port)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    seen = done.stdout.replace("\r", "").rstrip("\n") + "\n"
    wanted = (
        re.sub(r"^\.\.\.\n", "...", expected, flags=re.MULTILINE) if not expected.startswith("...   ") else expected
    )
    checker = doctest.OutputChecker()
    assert checker.check_output(wanted, seen, doctest.ELLIPSIS), f"{seen}\n{done.stderr}"


def test_every_link_leads_somewhere() -> None:
    """Each relative link of README.md and docs/ names a file that is there."""
    pages = [README, *sorted((README.parent / "docs").glob("*.md"))]
    for page in pages:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
