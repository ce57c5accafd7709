"""The search for the smallest value with a finding, and where Hypothesis keeps its files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis.configuration import storage_directory

from trunkline.check.strategies import isolated, search
from trunkline.check.user_folders import cache_folder


def test_the_smallest_value_with_a_finding_is_found() -> None:
    """The search shrinks what it finds first."""
    assert search(lambda st: st.integers(0, 1000), lambda value: value if value > 7 else None, seed=1, examples=50) == 8


@pytest.mark.parametrize("home", ["", "relative"])
def test_files_of_hypothesis_are_in_the_cache_of_the_user(
    home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative $XDG_CACHE_HOME is ignored, as the XDG specification says."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder({"XDG_CACHE_HOME": home}) == tmp_path / ".cache/trunkline/hypothesis"
    assert cache_folder({"XDG_CACHE_HOME": str(tmp_path)}) == tmp_path / "trunkline/hypothesis"


def test_hypothesis_returns_to_its_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests of the user that run later find their examples again."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    before = storage_directory(intent_to_write=False).home_directory
    with isolated():
        assert storage_directory(intent_to_write=False).home_directory == cache_folder()
    assert storage_directory(intent_to_write=False).home_directory == before


def test_without_a_home_directory_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The path is one that nobody can write to."""

    def home() -> Path:
        raise RuntimeError

    monkeypatch.setattr(Path, "home", home)
    assert cache_folder({}).is_relative_to(os.devnull)
