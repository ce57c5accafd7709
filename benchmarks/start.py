"""Measure how long trunkline takes to start: as a command, as a server, and in a pytest run that does not use it.

    .venv-test/bin/python benchmarks/start.py

Each round starts every process once, in turn, all on the same processor. The fastest of the rounds counts, since other
load only adds; for the plugin, the median of the differences within a round.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path

ROUNDS = 60
TEST = "def test_nothing(): pass\n"
LOAD = """
import time
from trunkline.contract.folders import names
from trunkline.mock.loader import load
started = time.perf_counter()
for name in names():
    load(name)
print(time.perf_counter() - started)
"""
"""Print the seconds in which the vendors are loaded."""


def duration(command: Sequence[str], folder: str) -> float:
    """Seconds from the start of a process to its end."""
    started = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def until_ready(command: Sequence[str], folder: str) -> float:
    """Seconds from the start of a server to the line that it prints when it is ready."""
    started = time.perf_counter()
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        assert server.stdout is not None
        line = server.stdout.readline()
        taken = time.perf_counter() - started
        server.terminate()
    if not line:
        raise RuntimeError(f"{' '.join(command)} printed no line")
    return taken


def printed(command: Sequence[str], folder: str) -> float:
    """The number that a process prints."""
    return float(subprocess.run(command, cwd=folder, check=True, capture_output=True).stdout)


def main() -> int:
    """Print the table; 1 when something takes longer than its bound."""
    plugins = {entry.name for entry in entry_points(group="pytest11")}
    if "trunkline" not in plugins:
        sys.exit("pytest does not find the plugin here; install trunkline with this Python first")
    os.environ.pop("PYTEST_DISABLE_PLUGIN_AUTOLOAD", None)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    others = [f"-pno:{name}" for name in sorted({*plugins, "cacheprovider"} - {"trunkline"})]
    pytest = [sys.executable, "-m", "pytest", "-q", *others, "test_nothing.py"]
    command = [sys.executable, "-m", "trunkline.cli"]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "test_nothing.py").write_text(TEST, "utf-8")
        contenders: dict[str, Callable[[], float]] = {
            "help": partial(duration, [*command, "--help"], folder),
            "serve": partial(until_ready, [*command, "serve", "--port", "0", "--quiet"], folder),
            "load": partial(printed, [sys.executable, "-c", LOAD], folder),
            "without": partial(duration, [*pytest, "-pno:trunkline"], folder),
            "with": partial(duration, pytest, folder),
        }
        times: dict[str, list[float]] = {name: [] for name in contenders}
        for _ in range(ROUNDS):
            for name, measure in contenders.items():
                times[name].append(measure() * 1000)
    fastest = {name: min(rounds) for name, rounds in times.items()}
    added = statistics.median(map(float.__sub__, times["with"], times["without"]))
    rows = (
        ("trunkline --help", fastest["help"], 100),
        ("trunkline serve, until it is ready", fastest["serve"], 250),
        ("all vendors, loaded", fastest["load"], 40),
        ("what the plugin adds to a pytest run that does not use it", added, 15),
    )
    print(f"{ROUNDS} rounds; pytest without the plugin takes {fastest['without']:.0f} ms")
    for name, taken, bound in rows:
        print(f"{name:<58}{taken:7.1f} ms   bound {bound:>3} ms   {'ok' if taken <= bound else 'MISSED'}")
    return 0 if all(taken <= bound for _, taken, bound in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
