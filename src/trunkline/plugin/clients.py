"""The responses that HTTP clients give to a test, taken where each client returns them.

That is above whatever plays back a recording or stands for a server: cassettes, adapters and transports of tests. Only
libraries that the test imports are changed, as soon as it has imported them, and only until `noting` ends.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from functools import reduce, wraps
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace
from typing import Any, TypeAlias

Note: TypeAlias = Callable[[Any, Any, str], object]
"""It gets a response, its request if the response does not carry one, and the cassette that it was played from."""

_cassette: ContextVar[str] = ContextVar("trunkline_cassette", default="")
"""The file of the cassette that has played a response since the client last began to send."""


def _sending(note: Note, send: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a method that returns a response."""

    @wraps(send)
    def sending(*given: Any, **named: Any) -> Any:
        __tracebackhide__ = True
        _cassette.set("")
        response = send(*given, **named)
        note(response, None, _cassette.get())
        return response

    return sending


def _awaiting(note: Note, send: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a method that returns a coroutine of a response."""

    @wraps(send)
    async def awaiting(*given: Any, **named: Any) -> Any:
        __tracebackhide__ = True
        _cassette.set("")
        response = await send(*given, **named)
        note(response, None, _cassette.get())
        return response

    return awaiting


def _opening(note: Note, urlopen: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap the method of urllib3, whose responses do not carry their requests."""

    @wraps(urlopen)
    def opening(pool: Any, method: str, url: str, *given: Any, **named: Any) -> Any:
        __tracebackhide__ = True
        _cassette.set("")
        response = urlopen(pool, method, url, *given, **named)
        fields = named.get("headers", pool.headers) or {}
        note(response, SimpleNamespace(method=method, url=url, headers=fields, body=named.get("body")), _cassette.get())
        return response

    return opening


def _entering(note: Note, begin: Callable[..., None]) -> Callable[..., None]:
    """Wrap the constructor of what aiohttp's methods return, which takes the coroutine of a request."""

    async def answered(coroutine: Any) -> Any:
        __tracebackhide__ = True
        _cassette.set("")
        response = await coroutine
        note(response, None, _cassette.get())
        return response

    return wraps(begin)(lambda manager, coroutine: begin(manager, answered(coroutine)))


def _playing(path: str) -> Callable[[Note, Callable[..., Any]], Callable[..., Any]]:
    """A wrapper for the method of a cassette that plays an answer; `path` is the attribute with the cassette's file."""

    def wrap(_: Note, play: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(play)
        def playing(cassette: Any, *given: Any, **named: Any) -> Any:
            __tracebackhide__ = True
            answer = play(cassette, *given, **named)
            _cassette.set(str(getattr(cassette, path, "")) if answer is not None else "")
            return answer

        return playing

    return wrap


WRAPPED: Mapping[str, Mapping[str, Callable[[Note, Callable[..., Any]], Callable[..., Any]]]] = {
    "requests": {"Session.send": _sending, "Session.request": _sending},  # requests-mock replaces the first
    "httpx": {"Client.send": _sending, "AsyncClient.send": _awaiting},
    "httpx2": {"Client.send": _sending, "AsyncClient.send": _awaiting},
    "urllib3": {"PoolManager.urlopen": _opening},
    "aiohttp": {"client._BaseRequestContextManager.__init__": _entering},
    "vcr": {"cassette.Cassette.play_response": _playing("_path")},
    "betamax": {"cassette.Cassette.find_match": _playing("cassette_path")},
}
"""For each library the methods that are wrapped, and how."""


@contextmanager
def noting(note: Note) -> Iterator[None]:
    """Call `note` with each response that a client returns, in the thread of the client."""
    with ExitStack() as undo:

        def watch(module: ModuleType) -> None:
            for place, wrap in WRAPPED[module.__name__].items() if finder in sys.meta_path else ():
                *owners, name = place.split(".")
                with suppress(AttributeError):  # another version, or a module of that name which is something else
                    owner = reduce(getattr, owners, module)
                    _replace(undo, owner, name, wrap(_until(undo, note), getattr(owner, name)))

        finder = _Finder(watch)
        sys.meta_path.insert(0, finder)
        undo.callback(sys.meta_path.remove, finder)
        for module in filter(None, map(sys.modules.get, WRAPPED)):
            watch(module)
        yield


def _until(undo: ExitStack, note: Note) -> Note:
    """The function, which does nothing after `undo`: a method that another has wrapped meanwhile stays wrapped."""
    active = [note]
    undo.callback(active.clear)
    return lambda *answer: [note(*answer) for note in active]


def _replace(undo: ExitStack, owner: Any, name: str, after: Any) -> None:
    before = getattr(owner, name)
    setattr(owner, name, after)
    undo.callback(lambda: setattr(owner, name, before) if getattr(owner, name) is after else None)


class _Finder(MetaPathFinder):
    """Finds the modules of the libraries as the other finders do, and calls `watch` with each once it is imported."""

    def __init__(self, watch: Callable[[ModuleType], None]) -> None:
        self._watch = watch

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in WRAPPED:
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        spec = next(filter(None, (finder.find_spec(name, path, target) for finder in others)), None)
        if spec and spec.loader:
            self._after_import(spec.loader)
        return spec

    def _after_import(self, loader: Loader) -> None:
        execute = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            self._watch(module)

        loader.exec_module = exec_module  # type: ignore[method-assign]  # a loader is that of one module
