"""Values to send, drawn by Hypothesis, and the search for the smallest one that leads to a finding.

Hypothesis is imported here only, and only when it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from trunkline.check.user_folders import cache_folder
from trunkline.contract.model import Parameter
from trunkline.errors import TargetError

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

T = TypeVar("T")
F = TypeVar("F")

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
"""Query values that are not integers, percent-encoded. `%D9%A3` is an Arabic-Indic three."""

NONSENSE = ("%00", "%2F", "%2f..%2f", "%FF%FE", "%C3%28", "'%22", "%0d%0a", "%25", "%F0%9F%98%80", "{}", "%u0041")
"""Values that no client sends on purpose, percent-encoded: NUL, slashes, invalid UTF-8, quotes, line ends."""


def search(
    strategy: Callable[[Any], SearchStrategy[T]], test: Callable[[T], F | None], *, seed: int, examples: int
) -> F | None:
    """Test `examples` drawn values; return the finding of the smallest value that has one, or None.

    `strategy` makes the strategy from Hypothesis' module of strategies: `lambda st: st.integers(0, 9)`.
    The same seed draws the same values. An exception of the test ends the search at once and is raised again, unless a
    finding came first; `TargetError` and `KeyboardInterrupt` are always raised.
    """
    from hypothesis import HealthCheck, Phase, given, settings, strategies  # noqa: PLC0415
    from hypothesis import seed as seeded  # noqa: PLC0415

    findings: list[F] = []
    errors: list[BaseException] = []

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
    @given(strategy(strategies))
    def run(value: T) -> None:
        if errors:
            return
        try:
            finding = test(value)
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - raised again below
            errors.append(error)
            return
        if finding is not None:
            findings.append(finding)
            raise _FalsifiedError

    with isolated():
        try:
            run()
        except _FalsifiedError:
            pass
        except Exception:
            if not findings:  # a finding that comes and goes, Hypothesis' Flaky, is a finding all the same
                raise
    if errors and (not findings or isinstance(errors[0], TargetError | KeyboardInterrupt)):
        raise errors[0]
    return findings[-1] if findings else None


class _FalsifiedError(Exception):
    """A drawn value has a finding."""


@contextmanager
def isolated() -> Iterator[None]:
    """Keep the files of Hypothesis out of the user's working directory: they are in `cache_folder`."""
    from hypothesis.configuration import set_hypothesis_home_dir, storage_directory  # noqa: PLC0415

    home = storage_directory(intent_to_write=False).home_directory
    set_hypothesis_home_dir(cache_folder())
    try:
        yield
    finally:
        set_hypothesis_home_dir(home)


def nonsense(st: Any, longest: int) -> SearchStrategy[str]:
    """Percent-encoded texts that no client sends on purpose, of at most `longest` characters where they are long."""
    special = st.sampled_from(NONSENSE)
    text = st.text(st.characters(max_codepoint=0x7F), max_size=8).map(lambda value: quote(value, safe=""))
    binary = st.binary(max_size=8).map(lambda value: quote(value, safe=""))
    long = st.sampled_from(("a" * longest, "%41" * (longest // 3), "9" * longest))
    found: SearchStrategy[str] = st.one_of(st.lists(st.one_of(special, text, binary), max_size=4).map("".join), long)
    return found


def queries(st: Any, parameters: tuple[Parameter, ...]) -> SearchStrategy[str]:
    """Query strings of documented and of unknown names with nonsense values."""
    known = st.sampled_from([*(parameter.name for parameter in parameters), "page", "sort", "%5B%5D", "__proto__"])
    pairs = st.tuples(known, st.one_of(st.sampled_from(MALFORMED), nonsense(st, 1200)))
    found: SearchStrategy[str] = st.lists(pairs.map("=".join), min_size=1, max_size=3).map("&".join)
    return found
