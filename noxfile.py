"""The tasks of this repository. `nox` checks style, types and tests; `nox --list` lists all tasks.

Tasks run in the environment in which nox is installed, which CONTRIBUTING.md shows how to make.
"""

from __future__ import annotations

import sys

import nox

nox.needs_version = ">=2025.5"
nox.options.default_venv_backend = "none"
nox.options.sessions = ["lint", "types", "tests"]


def run(session: nox.Session, module: str, *arguments: str) -> None:
    """Run a module of the environment in which nox is installed."""
    session.run(sys.executable, "-m", module, *arguments)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the first tier of tests: every rule, law and seeded defect once."""
    run(session, "pytest", "-n", "auto", "--dist", "worksteal", *session.posargs)


@nox.session
def slow(session: nox.Session) -> None:
    """Run the second tier of tests: soaks, whole Schemathesis runs, further seeds."""
    run(session, "pytest", "-n", "auto", "--dist", "worksteal", "-m", "slow", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and format."""
    run(session, "ruff", "check", ".")
    run(session, "ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check types."""
    run(session, "mypy")


@nox.session
def benchmarks(session: nox.Session) -> None:
    """Measure speed and memory against their bounds."""
    session.run(sys.executable, "benchmarks/serve.py", *session.posargs)
    session.run(sys.executable, "benchmarks/overhead.py")
    session.run(sys.executable, "benchmarks/start.py")
    session.run(sys.executable, "benchmarks/judge.py")
    session.run(sys.executable, "benchmarks/traffic.py")
    session.run(sys.executable, "benchmarks/slope.py")
    session.run(sys.executable, "benchmarks/proxy.py")


@nox.session
def explanations(session: nox.Session) -> None:
    """Write docs/rules.md, and the examples in fixtures/, from the seeded defects."""
    run(session, "tests.explanations")


@nox.session(venv_backend="venv")
def lock(session: nox.Session) -> None:
    """Pin the dependencies in the three `.lock` files; `-- --upgrade` pins the newest versions."""
    session.install("pip-tools")
    locks = {
        "requirements.lock": ("--extra", "test", "--extra", "dev"),
        "requirements-test.lock": ("--extra", "test", "--constraint", "requirements.lock"),
        "requirements-install.lock": ("--build-deps-for", "wheel", "--constraint", "requirements.lock"),
    }
    for name, options in locks.items():
        session.run(
            *("pip-compile", "--quiet", "--generate-hashes", "--allow-unsafe", "--strip-extras"),
            *("--no-emit-index-url", "--no-emit-find-links", "--output-file", name),
            *(*options, "pyproject.toml", *session.posargs),
            env={"CUSTOM_COMPILE_COMMAND": "nox -s lock"},
        )
