"""Changed fixtures: they are read again at a reset, and with `serve --watch` as soon as they change."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.servers import serving
from trunkline.errors import DataError
from trunkline.exchange import Json
from trunkline.mock import loader
from trunkline.mock.files import VendorFiles
from trunkline.mock.session import MockSession

TOKENS = '[[tokens]]\ntoken = "sk_ours"\naccount = "main"\n'


def record(name: str) -> Json:
    (shipped, *_) = loader.load("telepath").world.collections["trunks"].records
    return {**shipped, "id": "conn_ours00001", "name": name, "sip_username": "ours"}


def write(folder: Path, name: str) -> None:
    """Write one trunk to the overlay."""
    path = folder / "telepath" / "trunks.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps([record(name)]))


def names(vendor: loader.Vendor) -> list[str]:
    return [str(record["name"]) for record in vendor.world.collections["trunks"].records]


@pytest.fixture
def files(tmp_path: Path) -> VendorFiles:
    """The shipped data, with an overlay that has one trunk."""
    write(tmp_path, "First")
    return VendorFiles("telepath", partial(loader.load, "telepath", overlay=tmp_path), tmp_path)


def test_files_are_read_again_only_if_they_changed(files: VendorFiles, tmp_path: Path) -> None:
    """The same vendor is returned until then."""
    first = files.vendor
    assert "First" in names(first)
    assert files.vendor is first
    write(tmp_path, "Second one")
    second = files.vendor
    assert "Second one" in names(second)
    assert "First" not in names(second)


def test_broken_files_are_refused_until_they_are_mended(files: VendorFiles, tmp_path: Path) -> None:
    """Each reset says why, and a new file that is sound counts at once."""
    path = tmp_path / "telepath" / "trunks.json"
    path.write_text("[{")
    for _ in range(2):
        with pytest.raises(DataError, match=r"telepath/trunks\.json"):
            _ = files.vendor
    write(tmp_path, "Mended")
    assert "Mended" in names(files.vendor)


def test_a_file_is_looked_at_twice_before_it_counts_as_changed(files: VendorFiles, tmp_path: Path) -> None:
    """An editor may not have finished at the first look. What a reset has read has not changed."""
    assert not files.has_changed()
    write(tmp_path, "Second one")
    assert [files.has_changed() for _ in range(2)] == [False, True]
    assert "Second one" in names(files.vendor)
    assert not files.has_changed()


def test_a_file_that_is_only_touched_has_not_changed(files: VendorFiles, tmp_path: Path) -> None:
    """Nor has one that was written again as it was, so that nobody loses what clients wrote."""
    path = tmp_path / "telepath" / "trunks.json"
    os.utime(path, ns=(1, 1))
    assert [files.has_changed() for _ in range(3)] == [False] * 3
    write(tmp_path, "Second one")
    os.utime(path, ns=(2, 2))
    assert [files.has_changed() for _ in range(2)] == [False, True]


def test_a_reset_that_cannot_read_changes_nothing(files: VendorFiles, tmp_path: Path) -> None:
    """The mock goes on with records, tokens and what clients wrote."""
    session = MockSession([files.vendor], reread=lambda _: files.vendor)
    fake = session.mocks["telepath"].mock
    fake.records("trunks").add(name="Written")
    (tmp_path / "telepath" / "world.toml").write_text("[[tokens]]\n")
    with pytest.raises(DataError):
        session.reset("telepath")
    assert {"First", "Written"} <= {trunk["name"] for trunk in fake.snapshot("trunks")}


def test_a_reset_takes_over_records_tokens_and_rate_limit(files: VendorFiles, tmp_path: Path) -> None:
    """Also in the collections of a test, and with the new secrets redacted."""
    session = MockSession([files.vendor], reread=lambda _: files.vendor)
    fake = session.mocks["telepath"].mock
    assert "First" in [trunk["name"] for trunk in fake.records("trunks")]
    write(tmp_path, "Second one")
    (tmp_path / "telepath" / "world.toml").write_text(f"rate_limit = 7\n{TOKENS}")
    session.reset("telepath")
    assert fake.rate[0] == 7
    assert "Second one" in [trunk["name"] for trunk in fake.records("trunks")]
    assert "sk_ours" in fake.vendor.world.tokens
    assert fake.secrets.redact("sk_ours") == "***"


@contextmanager
def connected(printed: dict[str, Json]) -> Iterator[tuple[HTTPConnection, Any]]:
    """A connection to the mock of a server, and a function that lists the names of our trunks on it."""
    place = printed["vendors"]["telepath"]
    with closing(HTTPConnection(urlsplit(place["url"]).netloc, timeout=10)) as connection:

        def listed() -> list[str]:
            connection.request("GET", "/v1/trunks?limit=100", headers={"Authorization": f"Bearer {place['token']}"})
            trunks = json.load(connection.getresponse())["trunks"]
            return [trunk["name"] for trunk in trunks if trunk["id"] == "conn_ours00001"]

        yield connection, listed


def test_watching_follows_the_files_and_keeps_connections(tmp_path: Path) -> None:
    """One connection sees each change; a broken file is one sentence, and the last good data are served."""
    write(tmp_path, "First")
    arguments = ("telepath", "--fixtures", str(tmp_path), "--watch")
    with serving(*arguments) as (process, printed), connected(printed) as (connection, listed):
        assert process.stderr is not None
        assert listed() == ["First"]
        wire = connection.sock
        write(tmp_path, "Second one")
        assert any("telepath was reset to its changed fixtures" in line for line in process.stderr)
        assert listed() == ["Second one"]
        (tmp_path / "telepath" / "trunks.json").write_text("[{]")
        said = next(line for line in process.stderr if "trunks.json" in line)
        assert said.rstrip().endswith("telepath goes on with what it last read")
        assert listed() == ["Second one"]
        connection.request("POST", "/_trunkline/reset", headers={"x-trunkline": "yes"})
        refused = connection.getresponse()
        assert (refused.status, "trunks.json" in json.load(refused)["error"]) == (409, True)
        write(tmp_path, "Mended")
        assert any("reset to its changed fixtures, which can be read again" in line for line in process.stderr)
        assert listed() == ["Mended"]
        assert connection.sock is wire
