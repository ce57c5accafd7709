"""No text holds a secret, nor a telling part of one, in any form in which servers send secrets back."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest

from trunkline.check.laws.refusals import disclosures
from trunkline.redaction import redactor

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
    """Of every form, no twelve characters in a row stay, but for what stands around the secret."""
    hidden = redactor(frozenset({SECRET}))(f"before {FORMS[form]} after")
    assert hidden.startswith("before ")
    assert hidden.endswith(" after")
    assert "***" in hidden
    assert all(len(rest) < 22 for rest in hidden.split("***"))


def test_what_is_no_secret_stays() -> None:
    """A text without a secret is as it was, also when it shares a word with one."""
    text = "password is in the answer; sk_live_ begins every key"
    assert redactor(frozenset({SECRET, "secret-password"}))(text) == text


def test_a_short_secret_is_hidden_whole() -> None:
    """A short secret goes where it stands whole; a very short one would hide half of every text."""
    assert redactor(frozenset({"hush"}))("say hush twice: hush") == "say *** twice: ***"
    assert redactor(frozenset({"a"}))("a banana") == "a banana"
    assert redactor(frozenset())("nothing to hide") == "nothing to hide"


@pytest.mark.parametrize("credential", ["YOUR_API_KEY", "tok_hush_0123456789", SECRET])
def test_the_scheme_before_a_credential_stays(credential: str) -> None:
    """Of a header only the credential goes, whole, whatever else of it a check sends."""
    assert redactor(disclosures(credential))(f"Bearer {credential}") == "Bearer ***"
