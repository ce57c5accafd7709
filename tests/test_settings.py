"""The table of settings: where values come from, which source wins, and what a wrong value says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_origin, get_type_hints

import pytest

import trunkline
from trunkline import cli
from trunkline.errors import UsageError
from trunkline.mock.factory import MOST_RECORDS
from trunkline.report import FORMATS
from trunkline.settings import (
    ALTERNATIVES,
    COMMAND_LINE_ONLY,
    FLAG,
    NEEDS,
    OPTIONS,
    RATE,
    RECORDED,
    SECRET,
    WEBHOOK,
    Option,
    Settings,
    options_of,
)
from trunkline.settings.sources import Source, configuration, environment, settings_from

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "configuration.md"
INTERFACES = ("serve", "reset", "check", "validate", "drift", "proxy", "watch", "replay", "export", "faults", "pytest")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of a project, and the current folder two levels below it."""
    for name in [name for name in os.environ if name.startswith("TRUNKLINE_")]:
        monkeypatch.delenv(name)
    (tmp_path / ".git").mkdir()
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b")
    return tmp_path


def given(**values: Any) -> Source:
    """The command line."""
    return Source(values, lambda row: row.flag)


def settings(interface: str, environ: Mapping[str, str] | None = None, **values: Any) -> Settings:
    """The settings of a command with the environment, and the configuration files of the current folder."""
    return settings_from(interface, given(**values), environment(environ or {}), configuration())


# --- the table ------------------------------------------------------------------------------------------------------


def table() -> Iterator[str]:
    """The table of docs/configuration.md, line by line."""
    yield "| key | on the command line | commands | value | default | |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for row in OPTIONS.values():
        value = f"a list: {row.type.wanted}" if row.repeatable else row.type.wanted
        spellings = ", ".join(filter(None, [row.flag, row.short]))
        flag = f"{spellings} {row.type.metavar}".rstrip()
        where = ", ".join(interface for interface in INTERFACES if interface in row.interfaces)
        yield f"| `{row.name}` | `{flag}` | {where} | {value} | {row.shown_default} | {row.help} |"


def test_the_document_has_the_table() -> None:
    """docs/configuration.md lists each setting as the table has it."""
    text = DOCUMENT.read_text("utf-8")
    lines = [*table()]
    missing = [line for line in lines if line not in text]
    assert missing == [], "put these lines into docs/configuration.md:\n" + "\n".join(lines)


def test_the_document_lists_what_only_the_command_line_takes(project: Path) -> None:
    """Its list is that of `COMMAND_LINE_ONLY`, and no variable sets such an option."""
    listed = DOCUMENT.read_text("utf-8").partition("- Only on the command line:")[2].partition("\n- ")[0]
    assert {*re.findall(r"`(\w+)`", listed)} - {"reset"} == set().union(*COMMAND_LINE_ONLY.values())
    for command in ("validate", "drift"):
        assert settings(command, {row("since").variable: "2h"}).since is None


@pytest.mark.parametrize(
    "path", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda path: path.name
)
def test_documents_name_options_that_exist(path: Path) -> None:
    """An option in the text of a document is one of the table, of pytest or of another tool that it names."""
    own = {row.flag for row in OPTIONS.values()}
    known = own | {f"--trunkline-{flag[2:]}" for flag in own} | {"--trunkline-", "--showlocals"}
    known |= {"--default-non-nullable", "--formatters"}  # of generators of code, in docs/export.md
    known |= {"--build-arg", "--env-file", "--read-only", "--tmpfs"}  # of container tools, in docs/mock.md
    assert set(re.findall(r"`(--[a-z-]+)", path.read_text("utf-8"))) <= known


def test_each_row_is_a_field_of_a_type_that_its_default_has() -> None:
    """The type of a field, its row and its default agree."""
    assert [*get_type_hints(Settings)] == [*OPTIONS]
    for name, kind in get_type_hints(Settings).items():
        row = OPTIONS[name]
        assert row.interfaces <= set(INTERFACES)
        assert row.repeatable == (get_origin(kind) is tuple)
        assert (row.type is FLAG) == (kind is bool)
        if row.default not in (None, (), False):
            assert row.type.parse(str(row.default)) == row.default
    for name, others in (*ALTERNATIVES, *NEEDS.items()):
        for other in [others] if isinstance(others, str) else others:
            assert OPTIONS[name].interfaces & OPTIONS[other].interfaces
    assert OPTIONS["format"].type.choices == tuple(FORMATS)


@pytest.mark.parametrize("text", ["1_000", "٥", " 5", "5 ", "5\n", "0x5", "nan", "inf"])
@pytest.mark.parametrize(("interface", "name"), [("serve", "rate_limit"), ("check", "rate")])
def test_a_number_has_ascii_digits_alone(project: Path, interface: str, name: str, text: str) -> None:
    """Of what Python reads as a number, only what anybody would is one."""
    assert getattr(settings(interface, None, **{name: "5"}), name) == 5
    with pytest.raises(UsageError, match=r"^--rate(-limit)? is not a .*number"):
        settings(interface, None, **{name: text})


@pytest.mark.parametrize("interface", INTERFACES)
def test_each_interface_has_the_options_of_its_rows(interface: str) -> None:
    """Click and pytest show every option of the table, and no other."""
    command = (
        ["-m", "pytest", "--help", "-p", "trunkline.plugin"]
        if interface == "pytest"
        else ["-m", "trunkline.cli", interface, "-h"]
    )
    environ = {
        **os.environ,
        "PYTHONPATH": str(Path(trunkline.__file__).parents[1]),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    shown = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=True, env=environ).stdout
    flags = {word.partition("=")[0].rstrip(",") for word in shown.split() if word.startswith("--")}
    own = {row.flag for row in options_of(interface)}
    if interface == "pytest":
        assert {flag for flag in flags if flag.startswith("--trunkline-")} >= {
            f"--trunkline-{flag[2:]}" for flag in own
        }
    else:
        assert flags >= own
        lines = shown.partition("Options:")[2].splitlines()  # without the text, which may name some
        described = {line.split()[0].removeprefix("-o,") for line in lines if line.startswith("  -")}
        assert len(described) == len(own) + 1  # and -h


# --- precedence -----------------------------------------------------------------------------------------------------


def test_the_first_source_wins(project: Path) -> None:
    """The command line, the environment, the file, the default."""
    assert settings("serve").port == 8900
    (project / "trunkline.toml").write_text("port = 1")
    assert settings("serve").port == 1
    assert settings("serve", {"TRUNKLINE_PORT": "2"}).port == 2
    assert settings("serve", {"TRUNKLINE_PORT": "2"}, port="3").port == 3
    assert settings("serve", {"TRUNKLINE_PORT": ""}).port == 1


def test_values_of_a_file_are_taken_by_type(project: Path) -> None:
    """Numbers, booleans and lists; a whole number is a number, and paths are relative to the file."""
    (project / "pyproject.toml").write_text(
        '[tool.trunkline]\nrate = 2\ntimeout = 0.5\nallow_writes = true\noperation = ["listTrunks"]\n'
        'url = "http://h/v1"\nparam = ["trunk_id=7", "id=a=b"]\ntoken_file = "t.txt"\nstrictness = "customary"\n'
    )
    assert settings("check") == Settings(
        rate=2.0,
        timeout=0.5,
        allow_writes=True,
        operation=("listTrunks",),
        url="http://h/v1",
        param=(("trunk_id", "7"), ("id", "a=b")),
        token_file=str(project / "t.txt"),
        strictness="customary",
    )


def test_variables_are_texts(project: Path) -> None:
    """A boolean is a word, a list is separated as in a shell, and a path is relative to the current folder."""
    environ = {
        "TRUNKLINE_QUIET": "yes",
        "TRUNKLINE_PARAM": "trunk_id=7 'id=a b'",
        "TRUNKLINE_URL": "http://h",
        "TRUNKLINE_TOKEN_FILE": "t.txt",
        "TRUNKLINE_ALLOW_WRITES": "0",
    }
    (project / "trunkline.toml").write_text("allow_writes = true")
    assert settings("serve", environ).quiet is True
    found = settings("check", environ)
    assert (found.param, found.token_file) == ((("trunk_id", "7"), ("id", "a b")), "t.txt")
    assert found.allow_writes is False


def test_the_nearest_file_is_read(project: Path) -> None:
    """Above the current folder, up to a folder with .git; a pyproject.toml without the table is passed over."""
    (project.parent / "trunkline.toml").write_text("port = 1")
    assert settings("serve").port == 8900
    (project / "pyproject.toml").write_text("[tool.trunkline]\nport = 2")
    assert settings("serve").port == 2
    (project / "a" / "pyproject.toml").write_text('[project]\nname = "trunkline-user"')
    assert settings("serve").port == 2
    (project / "trunkline.toml").write_text("port = 3")
    assert settings("serve").port == 3
    (project / "a" / "pyproject.toml").write_text("[tool.trunkline]\nport = 4")
    assert settings("serve").port == 4
    (project.parent / "trunkline.toml").unlink()


def test_a_rival_of_a_nearer_source_wins(project: Path) -> None:
    """`--app` replaces the address of a file, a token in the environment its token file; two at once are kept."""
    (project / "trunkline.toml").write_text('url = "http://h"\ntoken_file = "t.txt"')
    assert settings("check", app="main:app").url is None
    found = settings("check", {"TRUNKLINE_TOKEN": "from-the-environment"})
    assert (found.url, found.token, found.token_file) == ("http://h", None, None)
    found = settings("check", url="http://h", app="main:app")
    assert (found.url, found.app) == ("http://h", "main:app")


def test_a_file_says_nothing_that_a_run_cannot_use(project: Path) -> None:
    """A persistent setting is ignored where it has no meaning."""
    (project / "trunkline.toml").write_text('url = "http://h"\ntoken_file = "t.txt"\nleave = 3\nstate = "s.db"\n')
    found = settings("validate")
    assert (found.url, found.token_file) == (None, None)
    assert settings("validate", live=True).url == "http://h"
    assert settings("check").leave is None
    assert settings("check", allow_writes=True).leave == 3
    assert settings("serve").state == str(project / "s.db")
    assert settings("reset").state is None
    assert settings("reset", {"TRUNKLINE_STATE": "s.db", "TRUNKLINE_SERVER": "http://h"}).server == "http://h"
    assert settings("pytest").url is None
    assert settings("pytest", vendor=["acme"]).url == "http://h"
    (project / "trunkline.toml").write_text('token_file = "t.txt"')
    assert settings("check").token_file is None


def test_operations_are_repeated_or_separated_by_commas(project: Path) -> None:
    """Both forms, for both options and in every source."""
    for name in ("operation", "require"):
        assert getattr(settings_from("check", given(**{name: ["a,b", "c"]})), name) == ("a", "b", "c")
        assert getattr(settings("check", {f"TRUNKLINE_{name.upper()}": "a,b c"}), name) == ("a", "b", "c")
        assert getattr(settings_from("pytest", given(**{name: ["a", "b,"]})), name) == ("a", "b")
        assert getattr(settings_from("check", given(**{name: [","]})), name) == (",",), (
            "not nothing, which would mean all"
        )
    (project / "trunkline.toml").write_text('operation = ["a,b"]')
    assert settings("check").operation == ("a", "b")


def test_as_many_records_can_be_asked_for_as_are_generated() -> None:
    """The option and the factory have the same bound."""
    assert OPTIONS["trunks"].type.is_valid(MOST_RECORDS)
    assert not OPTIONS["trunks"].type.is_valid(MOST_RECORDS + 1)


# --- mistakes -------------------------------------------------------------------------------------------------------

MISTAKES = {
    "prot = 1": "{file} has an unknown key 'prot'; did you mean port?; `trunkline docs configuration` lists the keys",
    "max-requests = 1": "{file} has an unknown key 'max-requests'; did you mean max_requests?; *",
    "x = 1": "{file} has an unknown key 'x'; `trunkline docs configuration` lists the keys",
    'tokn = "x"': "{file} has an unknown key 'tokn'; `trunkline docs configuration` lists the keys",
    'port = "1"': "port in {file} is not a whole number from 0 to 65535; write it without quotes",
    "port = true": "port in {file} is not a whole number from 0 to 65535",
    "port = 65536": "port in {file} is not a whole number from 0 to 65535",
    "quiet = 1": "quiet in {file} is not true or false",
    'param = "a=b"': "param in {file} is not a list; each item should be a name, an equals sign and *",
    "param = [1]": "an item of param in {file} is not a name, an equals sign and *",
    "[serve]": "{file} has an unknown table 'serve'; write options at the top",
    'strictness = "decision"': "strictness in {file} is not documented, implied or customary",
    'token = "hush"': "{file} holds a secret, token, and such a file is easily shared; "
    "set TRUNKLINE_TOKEN, or give token_file (--token-file)",
    'second_token = "hush"': "*; set TRUNKLINE_SECOND_TOKEN, or give second_token_file (--second-token-file)",
    'accept_token = ["hush"]': "{file} holds a secret, accept_token, *; set TRUNKLINE_ACCEPT_TOKEN",
    'admin_token = "hush"': "{file} holds a secret, admin_token, *; set TRUNKLINE_ADMIN_TOKEN",
    "fail_fast = true": "fail_fast in {file} would have no effect; leave it out, and give --fail-fast for each run",
    "against = []": "against in {file} would have no effect; leave it out, and give --against for each run",
    "port =": "{file} is not TOML: Invalid value *",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_in_a_file_is_one_sentence(project: Path, text: str, capfd: pytest.CaptureFixture[str]) -> None:
    """It names the file, the key and what it should be; the exit code is 2."""
    file = project / "trunkline.toml"
    file.write_text(text)
    assert cli.run(["serve", "nobody"]) == 2
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    wanted = f"trunkline: {MISTAKES[text].format(file=file)}".replace("[", "[[]")
    pytest.LineMatcher([err.rstrip("\n")]).fnmatch_lines([wanted])
    assert "hush" not in err


@pytest.mark.parametrize("interface", ["check", "pytest"])
def test_an_option_about_writing_needs_permission(project: Path, interface: str) -> None:
    """It is a mistake on the command line, ignored in a file, and used where writing is allowed."""
    names = [found.name for found in options_of(interface) if NEEDS.get(found.name) == ("allow_writes",)]
    assert {"leave", "ledger", "settle"} <= {*names}
    for name in names:
        value = "true" if name == "dry_run" else "5"
        with pytest.raises(UsageError, match=f"^{row(name).flag} is about writing; add --allow-writes, or leave it"):
            settings_from(interface, given(**{name: value}))
        assert getattr(settings(interface, {row(name).variable: value}), name) == row(name).default
        assert getattr(settings_from(interface, given(**{name: value}, allow_writes="true")), name)


def test_an_option_about_recorded_traffic_is_none_for_a_live_request(project: Path) -> None:
    """It is a mistake on the command line, and ignored in a file and in the environment."""
    values = {"base": "http://h/v1", "jobs": "2", "since": "2h"}
    variables = {row("base").variable: "http://h/v1", row("jobs").variable: "2"}
    for name in RECORDED:
        with pytest.raises(UsageError, match=f"^{row(name).flag} is for recorded traffic; leave it out, or leave out"):
            settings_from("validate", given(**{name: values[name], "live": True}))
    assert settings("validate", variables).jobs == 2
    found = settings("validate", variables, live="true")
    assert all(getattr(found, name) == row(name).default for name in RECORDED)


def test_a_mistake_in_a_variable_is_one_sentence(project: Path) -> None:
    """It names the variable, and not its value."""
    with pytest.raises(UsageError, match=r"\$TRUNKLINE_RATE is not a number, at least 0.00028 \(one an hour\)"):
        settings("check", {"TRUNKLINE_RATE": "hush"})
    with pytest.raises(UsageError, match=r"\$TRUNKLINE_PARAM is not a name, an equals sign and a value"):
        settings("check", {"TRUNKLINE_PARAM": "'a=b"}, url="http://h")


def test_a_file_that_cannot_be_read_is_one_sentence(project: Path) -> None:
    """A folder in its place, for example."""
    (project / "trunkline.toml").mkdir()
    with pytest.raises(UsageError, match=r"trunkline.toml cannot be read: is a directory"):
        configuration()
    (project / "trunkline.toml").rmdir()
    os.mkfifo(project / "trunkline.toml")
    with pytest.raises(UsageError, match=r"trunkline.toml cannot be read: it is a named pipe"):
        configuration()


def test_a_file_of_another_shape_is_one_sentence(project: Path) -> None:
    """A table that is none, and more nesting than Python reads."""
    (project / "pyproject.toml").write_text("[tool]\ntrunkline = 3\n")
    with pytest.raises(UsageError, match=r"tool.trunkline in .*pyproject.toml is not a table"):
        configuration()
    (project / "trunkline.toml").write_text(f"x = {'[' * 3000}")
    with pytest.raises(UsageError, match=r"trunkline.toml is nested too deeply"):
        configuration()


def test_a_dry_run_can_be_asked_for_in_a_file(project: Path) -> None:
    """Where writing is allowed in a file, a dry run there is one too; without writing it means nothing."""
    (project / "trunkline.toml").write_text("allow_writes = true\ndry_run = true\n")
    assert settings_from("check", configuration()).dry_run
    (project / "trunkline.toml").write_text("dry_run = true\n")
    assert not settings_from("check", configuration()).dry_run


def test_a_secret_is_not_in_the_text_of_the_settings() -> None:
    """Whatever prints the settings shows no credential."""
    secrets = {name: "hush" for name, row in OPTIONS.items() if row.type in (SECRET, WEBHOOK)}
    assert len(secrets) == 5
    assert "hush" not in repr(given(token="hush"))
    assert "hush" not in repr(Settings(**secrets))


def test_a_deleted_folder_has_no_files(project: Path) -> None:
    """The current folder can be gone."""
    (project / "a" / "b").rmdir()
    assert configuration().values == {}


def row(name: str) -> Option:
    return OPTIONS[name]


def test_the_command_line_spells_what_it_calls() -> None:
    """Two options of one flag belong to different commands."""
    assert row("max_requests").flag == "--max-requests"
    assert (row("server").flag, row("document_url").flag, row("url").flag) == ("--url", "--url", "--url")
    for interface in INTERFACES:
        flags = [found.flag for found in options_of(interface)]
        assert len(flags) == len(set(flags))


def test_every_number_has_an_upper_bound() -> None:
    """No option takes a number for which there is neither time nor memory; a rate without effect is harmless."""
    numbers = [row for row in OPTIONS.values() if row.type.ini in {"int", "float"}]
    assert {"trunks", "seed", "timeout", "max_requests"} <= {row.name for row in numbers}
    for row in numbers:
        if row.type is not RATE:
            assert not row.type.is_valid(row.type.convert("9" * 21)), row.name
