"""The GitHub Actions in `.github/actions` do what their README says.

The slow tests run the steps as a runner does: by `bash`, with files for outputs, environment, path and summary. The
first one installs trunkline, as the actions do.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.commands import run
from tests.servers import serving

ROOT = Path(__file__).resolve().parents[1]
ACTIONS = ROOT / ".github" / "actions"
README = (ACTIONS / "README.md").read_text("utf-8")
[WORKFLOW] = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
NAMES = ("mock", "check")
FILES = ("OUTPUT", "ENV", "PATH", "STEP_SUMMARY")
TOKEN = "sk_live_abc123def456..."


def action(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ACTIONS / name / "action.yml").read_text("utf-8"))
    return found


def steps_of_the_example() -> Iterator[tuple[str, dict[str, str]]]:
    """The name of each action in the example of the README, and the inputs it is given."""
    for job in yaml.safe_load(WORKFLOW)["jobs"].values():
        for step in job["steps"]:
            if step.get("uses", "").startswith("OWNER/trunkline/"):
                yield step["uses"].partition("@")[0].rpartition("/")[2], step.get("with", {})


# --- what is written ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_an_input_reaches_a_script_only_by_the_environment(name: str) -> None:
    """No script holds an expression, which would let an input, or a branch's name, run commands."""
    for step in action(name)["runs"]["steps"]:
        assert "${{" not in step["run"]
        assert step["env"] == {
            f"INPUT_{key.upper().replace('-', '_')}": f"${{{{ inputs.{key} }}}}" for key in action(name)["inputs"]
        }


@pytest.mark.parametrize("name", NAMES)
def test_the_readme_lists_each_input_and_output(name: str) -> None:
    """The tables have the names of the action's inputs and outputs, in their order."""
    section = README.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([a-z-]+)` \|", section, re.MULTILINE)
    assert rows == [*action(name)["inputs"], *action(name)["outputs"]]


def test_the_example_gives_inputs_that_exist() -> None:
    """Each input in the README's workflow is one of the action, and none that is required is missing."""
    used = [*steps_of_the_example()]
    assert {name for name, _ in used} == {*NAMES}
    for name, given in used:
        inputs = action(name)["inputs"]
        assert {*given} <= {*inputs}
        assert {key for key, row in inputs.items() if row.get("required")} <= {*given}


@pytest.mark.slow
def test_a_linter_finds_nothing_in_the_actions_and_the_example(tmp_path: Path) -> None:
    """The files keep the schemas of actions and workflows."""
    if not shutil.which("npm"):
        pytest.skip("npm is not on the PATH, so the actions were not checked by a linter")
    packages = ("@action-validator/cli@0.6", "@action-validator/core@0.6")
    options = ("--silent", "--no-audit", "--no-fund", "--prefix", tmp_path)
    run("npm", "install", *options, *packages, cwd=tmp_path)
    (tmp_path / ".github" / "workflows").mkdir(parents=True)
    workflow = tmp_path / ".github" / "workflows" / "voice.yml"
    workflow.write_text(WORKFLOW, "utf-8")
    for file in (*(ACTIONS / name / "action.yml" for name in NAMES), workflow):
        run(tmp_path / "node_modules" / ".bin" / "action-validator", file, cwd=tmp_path)


# --- what is run ----------------------------------------------------------------------------------------------------


@dataclass
class Done:
    """The outcome of a step."""

    code: int
    log: str
    outputs: dict[str, str]
    summary: str


@dataclass
class Job:
    """A job on a runner: its folders, and the environment that its steps have changed so far."""

    temporary: Path
    workspace: Path
    environment: dict[str, str] = field(default_factory=dict)

    def use(self, name: str, **given: str) -> Done:
        """Run the steps of an action with these inputs."""
        files = {file: self.workspace / f"{file}.file" for file in FILES}
        for file in files.values():
            file.write_bytes(b"")
        written = action(name)
        inputs = {key: row.get("default", "") for key, row in written["inputs"].items()}
        inputs.update({key.replace("_", "-"): value for key, value in given.items()})
        [step] = written["runs"]["steps"]
        done = self.run(
            step["run"],
            **{variable: inputs[text.split(".")[1].rstrip(" }")] for variable, text in step["env"].items()},
            **{f"GITHUB_{file}": str(path) for file, path in files.items()},
            GITHUB_ACTION_PATH=str(ACTIONS / name),
        )
        self.environment.update(values(files["ENV"].read_text("utf-8")))
        for path in files["PATH"].read_text("utf-8").split():
            self.environment["PATH"] = f"{path}{os.pathsep}{self.environment['PATH']}"
        outputs = values(files["OUTPUT"].read_text("utf-8"))
        summary = files["STEP_SUMMARY"].read_text("utf-8")
        completed = done.returncode == 0 or bool(summary)
        assert {*outputs} == ({*written["outputs"]} if completed else set())
        return Done(done.returncode, done.stdout + done.stderr, outputs, summary)

    def run(self, script: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a script as `shell: bash` does."""
        file = self.workspace / "script.sh"
        file.write_text(script, "utf-8")
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(file)],
            cwd=self.workspace,
            env={**self.environment, **environ, "RUNNER_TEMP": str(self.temporary)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )


def values(text: str) -> dict[str, str]:
    """The values of a file such as `$GITHUB_OUTPUT`, in the form for texts of several lines."""
    found = {}
    while text:
        name, _, rest = text.partition("<<")
        end, _, rest = rest.partition("\n")
        found[name], ended, text = rest.partition(f"\n{end}\n")
        assert ended
    return found


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runner's folder for the files of a job, in which trunkline is installed once."""
    return tmp_path_factory.mktemp("runner")


@pytest.fixture
def job(temporary: Path, tmp_path: Path) -> Job:
    """A job whose environment has no settings of this test run."""
    names = ("TRUNKLINE_", "PYTEST_", "PYTHONPATH", "VIRTUAL_ENV", "GITHUB_")
    return Job(temporary, tmp_path, {name: text for name, text in os.environ.items() if not name.startswith(names)})


@pytest.fixture
def served() -> Iterator[str]:
    """The base address of a mock of Telepath."""
    with serving("telepath", "--quiet") as (_, line):
        yield f"{line['url']}/v1"


@pytest.mark.slow
def test_the_mock_answers_in_the_following_steps(job: Job) -> None:
    """They find addresses and tokens in outputs and environment, and `trunkline reset` finds the mock."""
    done = job.use("mock", vendors="telepath", port="0", arguments="--trunks 3 --seed 7")
    assert done.code == 0, done.log
    try:
        place = json.loads(done.outputs["vendors"])["telepath"]
        assert place["url"].startswith(done.outputs["url"])
        ask = 'curl -sf -H "Authorization: Bearer $MOCK_TELEPATH_TOKEN" "$MOCK_TELEPATH_URL/trunks"'
        assert json.loads(job.run(ask).stdout)["pagination"]["total"] == 3
        job.run('curl -s "$MOCK_TELEPATH_URL/calls"')
        assert "credential" in Path(done.outputs["log"]).read_text("utf-8")
        assert job.run("trunkline reset").stdout.startswith("reset telepath")
        folder = job.environment["PATH"].partition(os.pathsep)[0]
        assert [path.name for path in Path(folder).iterdir()] == ["trunkline"]
    finally:
        os.kill(int(done.outputs["pid"]), signal.SIGTERM)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        ({"vendors": "acme"}, "acme"),
        ({"arguments": "--trunks many"}, "--trunks is not a whole number"),
        ({"arguments": "--fixtures 'x"}, "the input `arguments` cannot be split: No closing quotation"),
        ({"arguments": "$(touch run) `touch run`; touch run"}, "touch"),
        ({"vendors": "$(touch run)"}, "touch"),
        ({"port": '0"; touch run; "'}, "--port is not a whole number"),
    ],
)
def test_a_mock_that_cannot_start_says_why(job: Job, inputs: dict[str, str], sentence: str) -> None:
    """The step fails with the sentence as its annotation, and nothing in an input is run."""
    done = job.use("mock", **{"port": "0", **inputs})
    assert done.code == 2
    [annotation] = [line for line in done.log.splitlines() if line.startswith("::error")]
    assert sentence in annotation
    assert not (job.workspace / "run").exists()


@pytest.mark.slow
def test_a_check_shows_its_report_in_the_summary(job: Job, served: str) -> None:
    """The token is masked before all, and is neither in the log nor in the summary otherwise."""
    done = job.use("check", vendor="telepath", url=served, token=TOKEN, arguments="--operation getCall --examples 2")
    assert done.code == 0, done.log
    assert done.outputs["exit-code"] == "0"
    assert done.outputs["verdict"].startswith("the contract of telepath is kept")
    lines = done.log.splitlines()
    assert lines[0] == f"::add-mask::{TOKEN}"
    [begin] = [index for index, line in enumerate(lines) if line.startswith("::stop-commands::")]
    end = lines.index(lines[begin].removeprefix("::stop-commands") + "::")
    assert begin < lines.index(f"verdict       {done.outputs['verdict']}") < end
    assert TOKEN not in "".join(lines[1:]) + done.summary
    assert done.summary.startswith("### trunkline: the contract of <code>telepath</code> is kept\n")
    assert lines[end + 1].startswith("::notice title=trunkline::the contract of telepath is kept")


SPY = """
import json, sys
from dataclasses import replace
import trunkline
from trunkline import asgi, mock

json.dump(sys.argv, open("argv.json", "w"))
telepath = mock.from_vendor(trunkline.load("telepath"))

def answer(request):
    response = telepath(request)
    body = response.body.replace(b'"Customer Support"', b'["```` ::add-mask::x"]')
    return replace(response, body=body)

app = asgi.application(answer, base="/v1")
"""


@pytest.mark.slow
def test_a_finding_fails_the_step_and_no_token_is_an_argument(job: Job) -> None:
    """The exit code is that of the check. What an implementation answers is neither markup nor a command."""
    (job.workspace / "spy.py").write_text(SPY, "utf-8")
    limits = "--operation listTrunks --examples 1 --seed 1"
    done = job.use("check", vendor="telepath", app="spy:app", token=TOKEN, arguments=limits)
    assert (done.code, done.outputs["exit-code"]) == (1, "1"), done.log
    assert "BROKEN" in done.outputs["verdict"]
    assert done.summary.startswith("### trunkline: the contract of <code>telepath</code> is broken\n")
    runs = [len(run) for run in re.findall("`+", done.summary)]
    assert max(runs) > len("````")
    assert runs.count(max(runs)) % 2 == 0
    lines = done.log.splitlines()
    [pause] = [line for line in lines if line.startswith("::stop-commands::")]
    after = lines[lines.index(f"{pause.removeprefix('::stop-commands')}::") :]
    assert [line for line in after if line.startswith("::error file=schemas/telepath/")]
    assert not [line for line in lines if line.lstrip().startswith("::add-mask::x")]
    arguments = json.loads((job.workspace / "argv.json").read_text("utf-8"))
    assert not any(TOKEN in argument for argument in arguments)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("inputs", "sentence", "summarized"),
    [
        ({}, "give the input `url` or `app`", False),
        ({"url": "http://127.0.0.1:9/v1", "arguments": f"--token={TOKEN}"}, "give a token by the input", False),
        ({"url": "http://127.0.0.1:9/v1", "arguments": f"--second-token {TOKEN}"}, "give a token by the input", False),
        ({"url": "http://127.0.0.1:9/v1", "token": "x"}, "refuses connections", True),
    ],
)
def test_a_check_that_cannot_run_says_why(job: Job, inputs: dict[str, str], sentence: str, *, summarized: bool) -> None:
    """The step ends with 2 and the reason, which the job summary shows if the check was started."""
    done = job.use("check", vendor="telepath", **inputs)
    assert done.code == 2
    assert sentence in done.log
    assert (sentence in done.summary) is bool(done.summary) is summarized


@pytest.mark.slow
def test_a_check_that_is_cancelled_still_reports(job: Job, served: str) -> None:
    """SIGINT, which a runner sends to the shell of a step, reaches the check. The report covers what was seen."""
    files = {f"GITHUB_{file}": str(job.workspace / file) for file in FILES}
    given = {"INPUT_VENDOR": "telepath", "INPUT_URL": served, "INPUT_TOKEN": TOKEN}
    environ = {**job.environment, **files, **given, "RUNNER_TEMP": str(job.temporary)}
    environ["GITHUB_ACTION_PATH"] = str(ACTIONS / "check")
    [step] = action("check")["runs"]["steps"]
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    with subprocess.Popen(command, cwd=job.workspace, env=environ, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("listTrunks:"):  # the check is running
                process.send_signal(signal.SIGINT)
                break
        process.stdout.read()
    assert process.returncode == 130
    assert values((job.workspace / "OUTPUT").read_text("utf-8"))["exit-code"] == "130"
    assert "was not judged" in (job.workspace / "STEP_SUMMARY").read_text("utf-8").splitlines()[0]
