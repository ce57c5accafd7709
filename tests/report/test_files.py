"""Reports in files: each is written whole or not at all, and what cannot be written is told before the run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.report.test_report import RUN, finding, report
from tests.servers import environment
from trunkline.cli import run
from trunkline.errors import UsageError
from trunkline.report import FORMATS, files
from trunkline.report.files import check_files, write_files


def test_each_file_has_its_format(tmp_path: Path) -> None:
    """A report is written to all files, in the format of each, and nothing else is left in the folder."""
    made, names = report(finding()), [*FORMATS]
    write_files(made, RUN, [(name, str(tmp_path / f"report.{name}")) for name in names])
    for name in names:
        assert (tmp_path / f"report.{name}").read_text("utf-8") == FORMATS[name](made, RUN)
    assert len([*tmp_path.iterdir()]) == len(names)


def test_a_file_is_replaced_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If writing fails, the earlier file stays, no other is left, and the other reports are written."""
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    first.write_text("earlier")
    replaced: Callable[[Path, Path], Path] = Path.replace

    def full(self: Path, target: Path) -> Path:
        if target.name == first.name:
            raise OSError(28, "No space left on device")
        return replaced(self, target)

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(UsageError, match=r"first\.json cannot be written: no space left on device$"):
        write_files(report(), RUN, [("json", str(first)), ("json", str(second))])
    assert first.read_text() == "earlier"
    assert second.exists()
    assert {path.name for path in tmp_path.iterdir()} == {"first.json", "second.json"}


def test_a_file_keeps_its_permissions_and_its_link(tmp_path: Path) -> None:
    """A link still leads to the file that it led to, and a file that only its owner can read stays so."""
    file, link = tmp_path / "report.json", tmp_path / "latest.json"
    file.touch(0o600)
    link.symlink_to(file)
    write_files(report(), RUN, [("json", str(link))])
    assert link.is_symlink()
    assert file.read_text() == FORMATS["json"](report(), RUN)
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_device_is_written_to() -> None:
    """/dev/null is not replaced."""
    check_files([("json", os.devnull)])
    write_files(report(), RUN, [("json", os.devnull)])
    assert Path(os.devnull).is_char_device()


def test_standard_output_by_its_name_is_written_to() -> None:
    """/dev/stdout is no file whose folder could hold another, also if it is a pipe."""
    body = "from trunkline.cli import main; main()"
    command = [sys.executable, "-c", body, "validate", "telepath", "listTrunks", "-", "--report", "json=/dev/stdout"]
    done = subprocess.run(command, input="{}", capture_output=True, text=True, check=False, env=environment())
    assert done.stdout.startswith('{\n  "format": 1,')
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["."], r"--report: \S+ is a folder; name a file in it"),
        (["missing/report.json"], r"--report: \S+ is in a folder that does not exist; make it first"),
        (["a.json", "./a.json"], r"--report: two reports, json and json, cannot be in one file, \S+a\.json"),
    ],
)
def test_what_cannot_be_written_is_told_before_the_run(tmp_path: Path, names: list[str], sentence: str) -> None:
    """No folder is made, and no file."""
    with pytest.raises(UsageError, match=f"^{sentence}$"):
        check_files([("json", f"{tmp_path}/{name}") for name in names])
    assert [*tmp_path.iterdir()] == []


def test_a_folder_without_the_right_to_write_is_told_before_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentence is that of the system."""

    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files, "TemporaryFile", refuse)
    with pytest.raises(UsageError, match=r"report\.json cannot be written: permission denied$"):
        check_files([("json", str(tmp_path / "report.json"))])


def test_a_report_does_not_replace_what_the_run_uses(tmp_path: Path) -> None:
    """By whatever name; a device is nobody's."""
    used = tmp_path / "traffic.har"
    used.touch()
    (tmp_path / "link").symlink_to(used)
    for name in ("traffic.har", "./traffic.har", "link"):
        with pytest.raises(UsageError, match=r"^--report: \S+ is already used in this run, and would be lost; name "):
            check_files([("json", f"{tmp_path}/{name}")], others=(None, "-", str(used)))
    check_files([("json", os.devnull)], others=(os.devnull,))


def test_a_source_is_not_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`validate` refuses to write a report to a recording that it reads, which stays."""
    source = tmp_path / "body.json"
    source.write_text("{}")
    assert run(["validate", "telepath", "listTrunks", str(source), "--report", f"json={source}"]) == 2
    assert f"--report: {source} is already used in this run" in capsys.readouterr().err
    assert source.read_text() == "{}"
