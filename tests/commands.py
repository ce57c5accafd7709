"""Commands of other tools that tests run."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


def run(
    *command: str | Path, cwd: str | Path | None = None, given: str = "", **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run a command, which must succeed within five minutes."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **environ},
        input=given,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done
