"""The steps of the actions in this folder: `python3 steps.py mock` and `python3 steps.py check`.

Inputs are environment variables, such as `INPUT_VENDORS`; no input is ever a part of a script.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[2]
TEMPORARY = Path(os.environ["RUNNER_TEMP"])
TOKENS = {"TOKEN": "TRUNKLINE_TOKEN", "SECOND_TOKEN": "TRUNKLINE_SECOND_TOKEN"}

STARTS_WITHIN = 60
"""Seconds that the mock may take to start: enough for a million generated records."""


def mock() -> None:
    """Serve the mock in the background, and tell the following steps where it answers."""
    trunkline = install()
    out, log = TEMPORARY / f"trunkline-{uuid.uuid4()}.json", TEMPORARY / f"trunkline-{uuid.uuid4()}.log"
    options = [text for name in ("port", "fixtures") if given(name) for text in (f"--{name}", given(name))]
    command = [trunkline, "serve", *given("vendors").split(), *options, *arguments()]
    with out.open("wb") as stdout, log.open("wb") as stderr:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, start_new_session=True
        )
    end = time.monotonic() + STARTS_WITHIN
    while not out.read_bytes().endswith(b"\n"):  # the line is printed when the server answers
        if process.poll() is not None or time.monotonic() > end:
            process.kill()
            fail(log.read_text("utf-8").strip() or f"the mock did not start within {STARTS_WITHIN} s", process.wait())
        time.sleep(0.05)
    line = json.loads(out.read_bytes())
    vendors = {name: {"url": place["url"], "token": place["token"]} for name, place in line["vendors"].items()}
    tell("OUTPUT", url=line["url"], vendors=json.dumps(vendors), ca=line.get("ca", ""), log=str(log))
    tell("OUTPUT", pid=str(process.pid))
    tell("ENV", TRUNKLINE_SERVER=line["url"])  # for `trunkline reset`
    for name, place in vendors.items():
        variable = "MOCK_" + re.sub(r"\W", "_", name).upper()
        tell("ENV", **{f"{variable}_URL": place["url"], f"{variable}_TOKEN": place["token"]})
        print(f"{name} answers at {place['url']}")


def check() -> None:
    """Check an implementation. The exit code is that of `trunkline check`.

    Annotations and the job summary show the report. The check itself prints none: its output is no command.
    """
    secrets = {variable: given(name) or os.environ.get(variable, "") for name, variable in TOKENS.items()}
    secrets = {variable: secret for variable, secret in secrets.items() if secret}
    for secret in secrets.values():
        print(f"::add-mask::{escape(secret)}", flush=True)
    if not given("url") and not given("app"):
        fail("give the input `url` or `app`: what is to be checked")
    more = arguments()
    if any(re.match("--(second-)?token(=|$)", argument) for argument in more):
        fail("give a token by the input `token` or `second-token`: an argument can be read by other processes")
    trunkline = install(see_packages=bool(given("app")))
    options = [text for name in ("url", "app") if given(name) for text in (f"--{name}", given(name))]
    files = {name: TEMPORARY / f"trunkline-{uuid.uuid4()}.{name}" for name in ("github", "markdown")}
    reports = [text for name, file in files.items() for text in ("--report", f"{name}={file}")]
    reports = [] if "--dry-run" in more else reports
    command = [trunkline, "check", given("vendor"), *options, *reports, *more]
    pause = str(uuid.uuid4())
    print(f"::stop-commands::{pause}", flush=True)  # what an implementation answers is in the report
    process = subprocess.Popen(
        command,
        env={**os.environ, **secrets, "GITHUB_ACTIONS": ""},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    for number in (signal.SIGINT, signal.SIGTERM):  # a job that is cancelled cleans up
        signal.signal(number, lambda number, _: process.send_signal(number))
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        print(line, end="", flush=True)
        lines.append(line)
    code = process.wait()
    print(f"::{pause}::", flush=True)
    said = [line.strip() for line in lines if line.strip()] or ["nothing was printed"]
    verdict = next((line for line in reversed(said) if line.startswith("verdict ")), said[-1])
    verdict = verdict.removeprefix("verdict ").strip()
    tell("OUTPUT", verdict=verdict, **{"exit-code": str(code)})
    if files["github"].exists():
        print(files["github"].read_text("utf-8"), end="", flush=True)
    elif code:
        print(f"::error title=trunkline::{escape(verdict)}", flush=True)
    summary = files["markdown"]
    summarize(summary.read_text("utf-8") if summary.exists() else f"### trunkline check\n\n{fenced(verdict)}\n")
    sys.exit(code if code >= 0 else 128 - code)


def summarize(text: str) -> None:
    """Add Markdown to the job summary."""
    with Path(os.environ["GITHUB_STEP_SUMMARY"]).open("a", encoding="utf-8") as file:
        file.write(f"{text}\n")


def fenced(text: str) -> str:
    """A text as code, whatever it holds."""
    fence = "`" * (3 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}text\n{text}\n{fence}"


def install(*, see_packages: bool = False) -> str:
    """The command of this checkout, in an environment that the steps of a job share, and put it on their path.

    With `see_packages` it imports what it does not have itself from the packages of the job's `python3`.
    """
    if sys.version_info < (3, 11):
        fail(f"trunkline needs Python 3.11 or newer, and python3 is {sys.version.split()[0]}; set up one before")
    digest = hashlib.sha256(f"{ROOT}\0{sys.prefix}\0{sys.version}\0{see_packages}".encode()).hexdigest()
    folder = TEMPORARY / f"trunkline-{digest[:16]}"
    path = folder / "path"  # a folder with this command alone, which hides none of the job's
    if not path.exists():
        run(sys.executable, "-m", "venv", "--clear", folder)
        pip = (folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        run(*pip, "--require-hashes", "--only-binary=:all:", "--requirement", ROOT / "requirements-install.lock")
        run(*pip, "--no-deps", "--no-build-isolation", ROOT)
        if see_packages:
            [own] = folder.glob("lib/python*/site-packages")
            folders = [entry for entry in sys.path if entry.endswith("-packages")]
            (own / "job.pth").write_text("".join(f"import site; site.addsitedir({entry!r})\n" for entry in folders))
        path.mkdir()
        (path / "trunkline").symlink_to(folder / "bin" / "trunkline")
    with Path(os.environ["GITHUB_PATH"]).open("a", encoding="utf-8") as file:
        file.write(f"{path}\n")
    return str(path / "trunkline")


def run(*command: str | Path) -> None:
    """Run a command that is needed."""
    done = subprocess.run(command, check=False)
    if done.returncode:
        fail(f"trunkline could not be installed: {Path(command[0]).name} ended with {done.returncode}", done.returncode)


def given(name: str) -> str:
    """An input of the action."""
    return os.environ.get(f"INPUT_{name.upper()}", "").strip()


def arguments() -> list[str]:
    """The input `arguments`, split as a shell does, with nothing expanded."""
    try:
        return shlex.split(given("arguments"))
    except ValueError as error:
        fail(f"the input `arguments` cannot be split: {error}")


def tell(file: str, **values: str) -> None:
    """Set outputs of the step, or environment variables of the following steps."""
    with Path(os.environ[f"GITHUB_{file}"]).open("a", encoding="utf-8") as opened:
        for name, value in values.items():
            end = uuid.uuid4()
            opened.write(f"{name}<<{end}\n{value}\n{end}\n")


def escape(text: str) -> str:
    """A text as the value of a workflow command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def fail(sentence: str, code: int = 2) -> NoReturn:
    """End the step with an annotation."""
    print(f"::error title=trunkline::{escape(sentence)}", flush=True)
    sys.exit(code if code > 0 else 2)


if __name__ == "__main__":
    {"mock": mock, "check": check}[sys.argv[1]]()
