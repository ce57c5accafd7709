"""Owns the way from a contract to Hypothesis: what can be asked, and the search for the smallest telling question.

The only importer of hypothesis, which is imported when first used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

from trunkline.contract.model import Parameter
from trunkline.errors import TargetError
from trunkline.findings import Finding

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

T = TypeVar("T")

MALFORMED = (
    "",
    "abc",
    "1.5",
    "%2B10",
    "%2010",
    "10%20",
    "1e1",
    "0x10",
    "010",
    "--1",
    "%D9%A3",
    "1_0",
    "null",
    "%00",
    "9" * 30,
)
"""Spellings of what is no integer in a query, percent-encoded; `%D9%A3` is an Arabic-Indic three."""


ABSURD = (
    "%00",
    "%2F",
    "%2f..%2f",
    "%FF%FE",
    "%C3%28",
    "'%22",
    "%0d%0a",
    "%25",
    "%F0%9F%98%80",
    "{}",
    "%u0041",
)
"""What no client means, percent-encoded: NUL, slashes, broken UTF-8, quotes, line ends, other scripts."""


def search(
    strategy: SearchStrategy[T], question: Callable[[T], Finding | None], *, seed: int, examples: int
) -> Finding | None:
    """Puts a question for `examples` drawn values; the finding of the smallest value that has one, or None.

    The same seed draws the same values. What a question raises ends the search at once and is raised again, unless a
    finding came first.
    """
    from hypothesis import HealthCheck, Phase, given, settings  # noqa: PLC0415
    from hypothesis import seed as seeded  # noqa: PLC0415

    found: list[Finding] = []
    trouble: list[BaseException] = []

    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        print_blob=False,
    )
    @seeded(seed)
    @given(strategy)
    def asked(value: T) -> None:
        if trouble:
            return
        try:
            finding = question(value)
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - whatever it is, it is raised again below
            trouble.append(error)
            return
        if finding is not None:
            found.append(finding)
            raise _FalsifiedError

    with apart():
        try:
            asked()
        except _FalsifiedError:
            pass
        except Exception:
            if not found:  # an answer that comes and goes is Hypothesis' Flaky, and a finding all the same
                raise
    if trouble and not (found and not isinstance(trouble[0], TargetError | KeyboardInterrupt)):
        raise trouble[0]
    return found[-1] if found else None


class _FalsifiedError(Exception):
    """A drawn value has a finding."""


@contextmanager
def apart() -> Iterator[None]:
    """Keeps what Hypothesis stores out of the user's working directory."""
    from hypothesis.configuration import set_hypothesis_home_dir, storage_directory  # noqa: PLC0415

    home = storage_directory(intent_to_write=False).home_directory
    with TemporaryDirectory(prefix="trunkline-") as folder:
        set_hypothesis_home_dir(folder)
        try:
            yield
        finally:
            set_hypothesis_home_dir(home)


def integers(low: int, high: int) -> SearchStrategy[int]:
    """Whole numbers of a range, both ends included."""
    from hypothesis import strategies as st  # noqa: PLC0415

    return st.integers(low, high)


def choices(values: tuple[T, ...]) -> SearchStrategy[T]:
    """One of some values; the first is the smallest."""
    from hypothesis import strategies as st  # noqa: PLC0415

    return st.sampled_from(values)


def together(parts: Mapping[str, SearchStrategy[int]]) -> SearchStrategy[dict[str, int]]:
    """A value for each name."""
    from hypothesis import strategies as st  # noqa: PLC0415

    return st.fixed_dictionaries(dict(parts))


def absurd(longest: int) -> SearchStrategy[str]:
    """Percent-encoded bytes that no client means: NUL, broken UTF-8, quotes, slashes, other scripts.

    `longest` keeps a request line short enough for servers that lawfully refuse longer ones in their own words.
    """
    from hypothesis import strategies as st  # noqa: PLC0415

    special = st.sampled_from(ABSURD)
    text = st.text(st.characters(codec="ascii"), max_size=8).map(lambda value: quote(value, safe=""))
    binary = st.binary(max_size=8).map(lambda value: quote(value, safe=""))
    long = st.sampled_from(("a" * longest, "%41" * (longest // 3), "9" * longest))
    return st.one_of(st.lists(st.one_of(special, text, binary), max_size=4).map("".join), long)


def queries(parameters: tuple[Parameter, ...]) -> SearchStrategy[str]:
    """Query strings of documented names with absurd values, and of names that no page knows."""
    from hypothesis import strategies as st  # noqa: PLC0415

    known = st.sampled_from([*(parameter.name for parameter in parameters), "page", "sort", "%5B%5D", "__proto__"])
    pairs = st.tuples(known, st.one_of(st.sampled_from(MALFORMED), absurd(1200)))
    return st.lists(pairs.map("=".join), min_size=1, max_size=3).map("&".join)
