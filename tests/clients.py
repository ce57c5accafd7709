"""Clients that write: what the tests of state say to a mock, over any target, in the words of each vendor."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from trunkline.exchange import Headers, Json, Request, Response, Target
from trunkline.mock.loader import Vendor

WORDS: Mapping[str, Mapping[str, Json]] = {
    "telepath": {
        "trunks": "/trunks",
        "items": "/trunks",
        "item": "",
        "change": "PATCH",
        "new": {"ai_provider": "openai", "openai_api_key": "sk-0123456789", "sip_password": "tk-0123456789"},
        "serial": "sip_username",
        "both": ("name",),
    },
    "talkover": {
        "trunks": "/sip-trunks",
        "items": "/data",
        "item": "/data",
        "change": "PUT",
        "new": {"username": "user", "password": "tk-0123456789"},
        "serial": "domain",
        "both": ("name", "provider_name"),
    },
}
"""Where trunks are, how one is changed and what is sent: `serial` tells them apart, `both` are changed together."""


@dataclass(frozen=True, slots=True)
class Client:
    """One client of a vendor's trunks."""

    vendor: Vendor
    target: Target
    token: str = ""

    @property
    def words(self) -> Mapping[str, Json]:
        return WORDS[self.vendor.name]

    def ask(self, method: str, path: str, body: Json = None, query: str = "") -> Response:
        fields: Headers = (("authorization", f"Bearer {self.token or self.vendor.world.token}"),)
        if body is None:
            return self.target(Request(method, path, query, fields))
        fields = (*fields, ("content-type", "application/json"))
        return self.target(Request(method, path, query, fields, json.dumps(body).encode()))

    def create(self, serial: str, **more: Json) -> Response:
        """Asks for a trunk that `serial` tells from others."""
        words = self.words
        names = dict.fromkeys(words["both"], "new")
        return self.ask("POST", words["trunks"], {**words["new"], **names, words["serial"]: serial, **more})

    def created(self, serial: str, **more: Json) -> str:
        """The id of a new trunk."""
        response = self.create(serial, **more)
        assert response.status == 201, (response.status, response.body)
        return str(self.item(response)["id"])

    def change(self, identity: str, name: str) -> Response:
        """Gives a trunk another name."""
        path = f"{self.words['trunks']}/{identity}"
        return self.ask(self.words["change"], path, dict.fromkeys(self.words["both"], name))

    def delete(self, identity: str) -> Response:
        return self.ask("DELETE", f"{self.words['trunks']}/{identity}")

    def item(self, response: Response) -> dict[str, Json]:
        """The trunk that an answer shows."""
        body = response.json()
        found: dict[str, Json] = body["data"] if self.words["item"] else body
        return found

    def listed(self) -> dict[str, dict[str, Json]]:
        """All trunks by their ids, in the list's order, whose total is what is there."""
        found: list[dict[str, Json]] = []
        while True:
            query = f"limit=100&offset={len(found)}" if "paging" in self._list else ""
            response = self.ask("GET", self.words["trunks"], query=query)
            assert response.status == 200, (response.status, response.body)
            body = response.json()
            page = body[self.words["items"][1:]]
            found += page
            if "paging" not in self._list or len(found) >= body["pagination"]["total"] or not page:
                break
        named = {str(item["id"]): item for item in found}
        assert len(named) == len(found), "an id is listed twice"
        return named

    @property
    def _list(self) -> frozenset[str]:
        listing = next(one.listing for one in self.vendor.contract.operations if one.listing)
        return frozenset({"paging"} if listing.paging else ())

    def violations(self) -> list[str]:
        """What breaks the contract in the list of trunks."""
        operation = next(one for one in self.vendor.contract.operations if one.listing and one.resource == "trunks")
        return [broken.message for item in self.listed().values() for broken in operation.item_violations(item)]
