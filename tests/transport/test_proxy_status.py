"""The reserved path of a validating proxy, when something is wrong, and for others than this machine."""

from __future__ import annotations

from concurrent.futures import Future

import pytest

import requests
from trunkline.errors import UsageError
from trunkline.transport import proxy_status as module
from trunkline.transport.metrics import Metrics
from trunkline.transport.proxy_status import status_application
from trunkline.transport.server import running


@pytest.mark.parametrize("failure", [ZeroDivisionError("secret"), None])
def test_findings_that_cannot_be_told_are_a_503(failure: Exception | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Judging that is stuck, or has failed, is one sentence, which holds nothing of the exception."""
    monkeypatch.setattr(module, "_PATIENCE", 0.01)
    future: Future[str] = Future()
    if failure:
        future.set_exception(failure)
    with running(status_application(Metrics(), dict, lambda: future)) as url:
        answer = requests.get(f"{url}/_trunkline/findings", timeout=5)
    assert answer.status_code == 503
    assert answer.json()["error"].startswith("there is no report now" if failure else "judging is too far behind")
    assert "secret" not in answer.text


def test_a_token_opens_the_path_from_anywhere() -> None:
    """With a token, only its holders may ask, for everything below the path."""
    token = "admin-token-0123456789"
    with running(status_application(Metrics(), dict, Future, token)) as url:
        for path in ("metrics", "health", "findings", "other"):
            assert requests.get(f"{url}/_trunkline/{path}", timeout=5).status_code == 401
        answer = requests.get(f"{url}/_trunkline/health", headers={"authorization": f"Bearer {token}"}, timeout=5)
        assert (answer.status_code, answer.json()) == (200, {})
    with pytest.raises(UsageError, match="the admin token"):
        status_application(Metrics(), dict, Future, "no token")
