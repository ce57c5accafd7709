"""Redaction removes secrets from text, whole or in part, in all forms in which servers send them back."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest

from trunkline.check.laws.refusals import disclosures
from trunkline.exchange import Json
from trunkline.redaction import mask_body, mask_fields, redactor, secrets_in_body, secrets_in_header, secrets_in_query

SECRET = "sk_live_s3cr3t/0123456789+abcdef"

FORMS = {
    "as it is": SECRET,
    "without its end": SECRET[:-2],
    "without its beginning": SECRET[2:],
    "half of it": SECRET[: len(SECRET) // 2],
    "in the other case": SECRET.swapcase(),
    "turned around": SECRET[::-1],
    "percent-encoded": quote(SECRET, safe=""),
    "percent-encoded through and through": "".join(f"%{byte:02x}" for byte in SECRET.encode()),
    "in base64": base64.b64encode(SECRET.encode()).decode(),
    "in base64 of a Basic credential": base64.b64encode(f"user:{SECRET}:".encode()).decode(),
    "as JSON": json.dumps({"key": SECRET}),
    "twice": f"{SECRET}{SECRET}",
}


@pytest.mark.parametrize("form", FORMS)
def test_no_form_of_a_secret_stays(form: str) -> None:
    """Of each form of a secret, no twelve characters in a row remain; the text around it does."""
    hidden = redactor(frozenset({SECRET}))(f"before {FORMS[form]} after")
    assert hidden.startswith("before ")
    assert hidden.endswith(" after")
    assert "***" in hidden
    assert all(len(rest) < 22 for rest in hidden.split("***"))


def test_what_is_no_secret_stays() -> None:
    """A text without a secret does not change, even if it shares a word with one."""
    text = "password is in the answer; sk_live_ begins every key"
    assert redactor(frozenset({SECRET, "secret-password"}))(text) == text


def test_a_short_secret_is_hidden_whole() -> None:
    """A short secret is removed where all of it occurs. A very short one is not: it would hide half of every text."""
    assert redactor(frozenset({"hush"}))("say hush twice: hush") == "say *** twice: ***"
    assert redactor(frozenset({"a"}))("a banana") == "a banana"
    assert redactor(frozenset())("nothing to hide") == "nothing to hide"


@pytest.mark.parametrize("credential", ["YOUR_API_KEY", "tok_hush_0123456789", SECRET])
def test_the_scheme_before_a_credential_stays(credential: str) -> None:
    """Only the credential is removed from a header, whatever other parts of it a check sends."""
    assert redactor(disclosures(credential))(f"Bearer {credential}") == "Bearer ***"


# --- by name -------------------------------------------------------------------------------------------------------

SECRETS = ("sip_password", "api_key")


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ({"name": "n"}, {"name": "n"}),
        ({"sip_password": "a", "name": "n"}, {"sip_password": "***", "name": "n"}),
        ({"sipPassword": "a"}, {"sipPassword": "***"}),
        ({"SIP-PASSWORD": ["a"]}, {"SIP-PASSWORD": "***"}),
        ({"password": "a"}, {"password": "a"}),
        ([{"x": [{"api_key": {"is": "a"}}]}], [{"x": [{"api_key": "***"}]}]),
        ({"api_key": None}, {"api_key": "***"}),
        ("api_key", "api_key"),
        (None, None),
    ],
)
def test_a_body_is_shown_without_its_secrets(body: Json, shown: Json) -> None:
    """Secrets in a body are removed by name, in any spelling and depth; nothing else changes."""
    assert mask_fields(body, SECRETS) == shown
    assert json.loads(mask_body(json.dumps(body).encode(), SECRETS)) == shown
    if body == shown:
        assert mask_body(json.dumps(body).encode(), SECRETS) == json.dumps(body).encode()
    for odd in (b"", b"{", b"\xff", b"api_key=a"):
        assert mask_body(odd, SECRETS) == odd


def test_a_text_is_secret_where_it_bears_the_name_of_one() -> None:
    """Texts under the name of a secret are found at any depth; numbers, and text that is not JSON, contain none."""
    body = {"sip_password": "a", "more": [{"apiKey": "b", "api_key": 7}, {"name": "c"}]}
    assert secrets_in_body(json.dumps(body).encode(), SECRETS) == {"a", "b"}
    for odd in (b"", b"{", b"[]", b'"api_key"'):
        assert secrets_in_body(odd, SECRETS) == set()


def test_a_body_that_is_cut_off_still_shows_what_is_secret() -> None:
    """A secret is found by its name even if the body is cut off."""
    assert secrets_in_body(b'{"api_key": "hush", "name": "nor', SECRETS) == {"hush"}


def test_a_secret_under_a_name_that_stands_twice_is_hidden() -> None:
    """Every value of a name is looked at, also one that another of the same name hides."""
    body = b'{"data": {"apiKey": "hush"}, "data": {"api_key": "sil\\u0065nce"}, "name": 1}'
    assert secrets_in_body(body, SECRETS) == {"hush", "silence"}
    assert not any(secret in mask_body(body, SECRETS) for secret in (b"hush", b"sil"))


def test_a_credential_in_a_query_or_a_header_is_found() -> None:
    """Credentials in a query or a header are found by name; the name of the scheme is no secret."""
    assert secrets_in_query("limit=1&Api-Key=a&token=b%2Fc&x=y", SECRETS) == {"a", "b/c"}
    assert secrets_in_header("Bearer sk_live_1") == {"sk_live_1"}
    assert secrets_in_header("") == set()
