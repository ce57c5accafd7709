"""Tests of `trunkline.traffic.addresses`: requests to the vendor's API are told from others by their addresses."""

from __future__ import annotations

import pickle

import pytest

from trunkline.errors import UsageError
from trunkline.mock import loader
from trunkline.traffic.addresses import Addresses, NoOperation, OtherHost

TELEPATH = loader.load("telepath").contract
OWN = "https://api.telepathvoice.com"


@pytest.mark.parametrize(
    "url",
    [
        f"{OWN}/v1/trunks",
        "https://API.telepathvoice.com:443/v1/trunks",
        "http://127.0.0.1:8900/v1/trunks",
        "http://[::1]:8900/v1/trunks",
        "https://gateway.example/tenant/v1/trunks",
        "/v1/trunks",
    ],
)
def test_an_operation_below_the_base_path_is_the_vendors(url: str) -> None:
    """At the vendor's host, on this machine, behind a gateway, and where only the path is known."""
    assert Addresses(TELEPATH).path_of("GET", f"{url}?limit=5") == ("/trunks", "limit=5")


ELSEWHERE = {
    "https://fonts.example/v1/font.woff": "fonts.example",
    "https://me:hush@Fonts.Example:8443/x?key=hush#hush": "fonts.example:8443",
    "http://localhost:3000/app.js": "localhost:3000",
    "data:image/png;base64,hush": "data:",
    "DATA:text/css,hush": "data:",
    "blob:https://a.example/1": "blob:",
    "wss://me:hush@A.example/v1/trunks": "wss://a.example",
}


@pytest.mark.parametrize("url", ELSEWHERE)
def test_a_request_to_another_host_has_its_name(url: str) -> None:
    """Without what may be secret in its address; the error can be passed to another process."""
    with pytest.raises(OtherHost) as caught:
        Addresses(TELEPATH).path_of("GET", url)
    assert caught.value.host == ELSEWHERE[url]
    assert "hush" not in str(caught.value)
    assert pickle.loads(pickle.dumps(caught.value)).host == ELSEWHERE[url]  # noqa: S301 - it is our own


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"{OWN}/v1/nothing?key=hush", f"GET {OWN}/v1/nothing"),
        (f"https://me:hush@{OWN[8:]}/health#hush", f"GET {OWN}/health"),
        ("http://127.0.0.1:8900/v1/nothing", "GET http://127.0.0.1:8900/v1/nothing"),
        ("/nowhere", "GET /nowhere"),
    ],
)
def test_a_request_to_the_vendor_that_is_no_operation_is_named(url: str, shown: str) -> None:
    """It is listed by itself, since it may be a mistake of the client or of the contract."""
    with pytest.raises(NoOperation) as caught:
        Addresses(TELEPATH).path_of("GET", url)
    assert str(caught.value) == f"{shown} is no operation of telepath"
    assert not isinstance(caught.value, OtherHost)


@pytest.mark.parametrize("url", ["not a url", "", "me:hush@/x", "mailto:hush"])
def test_what_is_no_address_is_not_called_an_operation(url: str) -> None:
    """It is not repeated either, since nobody knows what is secret in it."""
    with pytest.raises(UsageError, match=r"^its url is no address: it has no host, and does not begin with /$"):
        Addresses(TELEPATH).path_of("GET", url)


def test_with_a_base_only_what_is_below_it_is_the_vendors() -> None:
    """The base stands for the vendor's address with its path; other hosts are other hosts, the vendor's own too."""
    addresses = Addresses(TELEPATH, ["https://Gateway.example:443/voice/", "http://127.0.0.1:8900"])
    for url in ("https://gateway.example/voice/trunks", "http://127.0.0.1:8900/trunks", "/voice/trunks"):
        assert addresses.path_of("GET", url) == ("/trunks", "")
    for url in (f"{OWN}/v1/trunks", "https://gateway.example/voicemail/trunks", "http://gateway.example/voice/trunks"):
        with pytest.raises(OtherHost):
            addresses.path_of("GET", url)
    with pytest.raises(NoOperation, match="voice/nothing is no operation of telepath"):
        addresses.path_of("GET", "https://gateway.example/voice/nothing")


@pytest.mark.parametrize(
    "base", ["", "gateway.example", "/v1", "ftp://a.example", "https://", "http://[x", "http://a:x"]
)
def test_a_base_that_is_no_address_is_refused(base: str) -> None:
    """The sentence shows one, and does not repeat what was given."""
    with pytest.raises(UsageError, match="--base is the address that stands for the vendor's, such as "):
        Addresses(TELEPATH, [base])
