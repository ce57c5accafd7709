"""The admin surface under test: in process, and on a port for tools that need one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from trunkline.contract import folders
from trunkline.exchange import Headers, Json, Request, Response, Target
from trunkline.mock import loader
from trunkline.mock.session import MockSession
from trunkline.transport import server
from trunkline.transport.admin import application
from trunkline.transport.asgi import wrap
from trunkline.transport.scope import ASGIApp
from trunkline.transport.sessions import Sessions, session_application

VENDORS = {name: loader.load(name) for name in folders.names()}
DOCUMENT: Json = json.loads(Path(application.__file__).with_name("openapi.json").read_text("utf-8"))
OPERATIONS = [
    (method.upper(), path, operation)
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
    if method in ("get", "post", "put", "patch", "delete")
]
"""The method, the path and the node of each documented operation."""

CHANGE_HEADER = ("x-trunkline", "yes")
TOKEN = "hush-0123456789"


def app_of(session: MockSession, token: str | None = None, **options: float) -> ASGIApp:
    """A server's application: the mocks of a session, its admin surface, and other sessions."""
    apply = partial(session_application, token=token, cors=())
    return apply(session, sessions=Sessions(MockSession, apply, cors=(), **options))  # type: ignore[arg-type]  # `most` is an int


def served(session: MockSession, token: str | None = None) -> AbstractContextManager[str]:
    """The application on a port; gives its address."""
    return server.running(app_of(session, token))


class Admin:
    """A client of an admin surface below `root`, in process."""

    def __init__(self, app: ASGIApp, root: str = "", headers: Headers = (CHANGE_HEADER,)) -> None:
        self._target: Target = wrap(app)
        self._root = root
        self._headers = headers

    def ask(self, method: str, path: str, body: Json = None, query: str = "") -> Response:
        """The response to a request for a path below `/_trunkline`. It must be JSON, and a refusal one sentence."""
        sent = b"" if body is None else json.dumps(body).encode()
        headers = (*self._headers, ("content-type", "application/json"))
        response = self._target(Request(method, f"{self._root}/_trunkline{path}", query, headers, sent))
        if response.body:
            assert response.header("content-type") == "application/json"
            answer = response.json()
            assert response.status < 400 or (set(answer) == {"error"} and answer["error"]), (response.status, answer)
        return response

    def get(self, path: str, query: str = "") -> Json:
        """The body of a successful answer."""
        response = self.ask("GET", path, query=query)
        assert response.status == 200, response.body
        return response.json()

    def error(self, method: str, path: str, body: Json = None, query: str = "") -> tuple[int, str]:
        """The status and the sentence of a refusal."""
        response = self.ask(method, path, body, query)
        assert response.status >= 400, response.body
        return response.status, response.json()["error"]


def fill_path(path: str, values: Mapping[str, str]) -> str:
    """`/openapi/{vendor}.json` with a value for each parameter; `x` for one without."""
    parts = path.split("{")
    return parts[0] + "".join(values.get(name, "x") + rest for name, _, rest in (p.partition("}") for p in parts[1:]))
