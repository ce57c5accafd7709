"""A webhook gets one POST of JSON; nothing that is printed shows its address."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest

from tests.servers import scripted
from trunkline.errors import TargetError, UsageError
from trunkline.exchange import Request, Response
from trunkline.transport.webhook import Webhook, webhook

CANARY = "canary-4711-sesame"


def hook_with(answers: Iterable[int | TargetError]) -> tuple[Webhook, list[Request], list[float]]:
    """A webhook that answers so, the requests that it gets, and the pauses between them."""
    received, pauses, rest = list[Request](), list[float](), iter(answers)

    def target(request: Request) -> Response:
        received.append(request)
        answer = next(rest)
        if isinstance(answer, TargetError):
            raise answer
        return Response(answer)

    return Webhook(target, f"/{CANARY}", "a=b", "hooks.example.com:443", pauses.append), received, pauses


def test_a_value_is_posted_over_http() -> None:
    """To the path and query of the address, as JSON."""
    with scripted(b"HTTP/1.1 204 No Content\r\n\r\n") as server:
        address = f"{server.base.removesuffix('/v1')}/services/1?token={CANARY}"
        webhook(address).post({"text": "hello"})
        head, _, body = server.received[0].partition(b"\r\n\r\n")
    assert head.startswith(f"POST /services/1?token={CANARY} HTTP/1.1\r\n".encode())
    assert b"content-type: application/json" in head.lower()
    assert json.loads(body) == {"text": "hello"}


@pytest.mark.parametrize(
    ("answers", "count", "reason"),
    [
        ([200], 1, ""),
        ([503, TargetError("no"), 204], 3, ""),
        ([429, 202], 2, ""),
        ([500, 500, 500], 3, "it answers 500"),
        ([404], 1, "it answers 404"),
        ([302, 302, 302], 3, "it answers 302"),
        ([TargetError(CANARY)] * 3, 3, "it cannot be reached"),
    ],
)
def test_failures_are_tried_again_three_times_in_all(answers: list[int | TargetError], count: int, reason: str) -> None:
    """With growing pauses. A refusal is final, and no sentence has the address or what the server said."""
    hook, received, pauses = hook_with(answers)
    if reason:
        with pytest.raises(
            TargetError, match=f"^the webhook at hooks.example.com:443 was not told: {reason}"
        ) as caught:
            hook.post({})
        assert CANARY not in str(caught.value)
    else:
        hook.post({})
    assert len(received) == count
    assert pauses == [2.0, 4.0][: count - 1]


@pytest.mark.parametrize(
    "url",
    [
        f"http://example.com/{CANARY}",
        f"https://user:{CANARY}@example.com/",
        f"https://example.com/#{CANARY}",
        f"ftp://example.com/{CANARY}",
        CANARY,
        "",
        f"https:///{CANARY}",
        f"https://example.com:99999/{CANARY}",
        f"https://[{CANARY}/",
        f"http://127.0.0.1.example.com/{CANARY}",
    ],
)
def test_other_addresses_are_refused(url: str) -> None:
    """Only https, or this machine; the sentence quotes nothing of the address."""
    with pytest.raises(UsageError, match="webhook") as caught:
        webhook(url)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["https://hooks.example.com/x", "http://127.0.0.1:9/x", "http://[::1]:9", "http://localhost/"]
)
def test_an_address_is_accepted_and_not_shown(url: str) -> None:
    """Not even in a `repr`."""
    assert "/x" not in repr(webhook(url))
