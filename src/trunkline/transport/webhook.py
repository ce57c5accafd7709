"""Call a webhook: one POST of JSON, to an address that may be a secret itself."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import trunkline
from trunkline.errors import TargetError, UsageError
from trunkline.exchange import Json, Request, Target
from trunkline.transport import targets
from trunkline.transport.addresses import is_loopback

_TRIES = 3
_PAUSE = 2.0
"""The seconds before the second try; each later pause is twice as long."""
_LONGEST_ANSWER = 1 << 20


@dataclass(frozen=True, slots=True, repr=False)
class Webhook:
    """A webhook. `name` is its host, the only part of its address that is printed."""

    target: Target
    path: str
    query: str
    name: str
    sleep: Callable[[float], None] = time.sleep

    def post(self, value: Json) -> None:
        """Send a value, up to three times. Raises `TargetError` if it was not accepted with a status of the 2xx class.

        A refusal (4xx), except 408 and 429, is final.
        """
        body = json.dumps(value).encode()
        fields = (("content-type", "application/json"), ("user-agent", f"trunkline/{trunkline.__version__}"))
        request = Request("POST", self.path, self.query, fields, body)
        for attempt in range(_TRIES):
            if attempt:
                self.sleep(_PAUSE * 2 ** (attempt - 1))
            try:
                status = self.target(request).status
            except TargetError:
                reason = "it cannot be reached, or answers with a redirect, which is not followed"
                continue
            if 200 <= status < 300:
                return
            reason = f"it answers {status}"
            if 400 <= status < 500 and status not in (408, 429):
                break
        raise TargetError(f"the webhook at {self.name} was not told: {reason}")


def webhook(url: str, *, timeout: float = 10.0) -> Webhook:
    """The webhook at an address. Raises `UsageError` unless it is one of https, or of this machine.

    No message quotes the address, which often holds a secret.
    """
    example = "write it like https://hooks.example.com/services/1"
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        raise UsageError(f"the address of the webhook cannot be read; {example}") from None
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise UsageError(f"the webhook needs an address of https, as its body is about your account; {example}")
    if parts.fragment or "@" in parts.netloc:
        raise UsageError(f"the address of the webhook has a user name or a fragment; {example}")
    try:
        target = targets.http(f"{parts.scheme}://{parts.netloc}", timeout=timeout, max_bytes=_LONGEST_ANSWER)
    except UsageError as error:
        raise UsageError(str(error).replace("the base address", "the address of the webhook")) from None
    return Webhook(target, parts.path or "/", parts.query, target.name)
