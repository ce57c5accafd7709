"""Redaction removes secrets from text, whole or in part, in all forms in which servers send them back."""

from __future__ import annotations

import base64
import json
import tracemalloc
from random import Random
from string import ascii_letters
from urllib.parse import quote, unquote

import pytest

from trunkline import redaction
from trunkline.check.laws.refusals import disclosures
from trunkline.exchange import Json, Request, Response
from trunkline.findings import Report, excerpt
from trunkline.redaction import (
    RecentSecrets,
    Redactor,
    redact_body,
    redact_credentials,
    redact_fields,
    redact_shapes,
    redactor,
    redactor_of_request,
    secrets_in_body,
    secrets_in_header,
    secrets_in_request,
    secrets_in_response,
)

SECRET = "sk_live_s3cr3t/0123456789+abc~def"


def letters(count: int) -> str:
    """As many letters, always the same for a number."""
    return "".join(Random(count).choices(ascii_letters, k=count))  # noqa: S311 - test data


FORMS = {
    "as it is": SECRET,
    "without its end": SECRET[:-2],
    "without its beginning": SECRET[2:],
    "half of it": SECRET[: len(SECRET) // 2],
    "in the other case": SECRET.swapcase(),
    "turned around": SECRET[::-1],
    "percent-encoded": quote(SECRET, safe=""),
    "percent-encoded but for its slashes": quote(SECRET),
    "percent-encoded through and through": "".join(f"%{byte:02x}" for byte in SECRET.encode()),
    "in base64": base64.b64encode(SECRET.encode()).decode(),
    "in base64 of a Basic credential": base64.b64encode(f"user:{SECRET}:".encode()).decode(),
    "as JSON": json.dumps({"key": SECRET}),
    "twice": f"{SECRET}{SECRET}",
    "in lower case": SECRET.lower(),
    "in upper case": SECRET.upper(),
    "in hexadecimal": SECRET.encode().hex(),
    "in upper hexadecimal": SECRET.encode().hex().upper(),
    "as a step of a JSON Pointer": SECRET.replace("~", "~0").replace("/", "~1"),
    "as a step of a percent-encoded JSON Pointer": quote(SECRET.replace("~", "~0").replace("/", "~1"), safe=""),
    "percent-encoded twice": quote(quote(SECRET, safe=""), safe=""),
    "in JSON with an escaped slash": json.dumps(SECRET)[1:-1].replace("/", r"\/"),
    "in base64 of a bearer credential": base64.b64encode(f"Bearer {SECRET}".encode()).decode(),
    "in base64 for URLs": base64.urlsafe_b64encode(b"?>" + SECRET.encode()).decode(),
}


@pytest.mark.parametrize("form", FORMS)
def test_no_form_of_a_secret_stays(form: str) -> None:
    """Of each form of a secret, no twelve characters in a row remain; the text around it does."""
    redacted = redactor(frozenset({SECRET}))(f"before {FORMS[form]} after")
    assert redacted.startswith("before ")
    assert redacted.endswith(" after")
    assert "***" in redacted
    assert all(len(rest) < 22 for rest in redacted.split("***"))


def test_what_is_no_secret_stays() -> None:
    """A text without a secret does not change, even if it shares a word with one."""
    text = "password is in the answer; sk_live_ begins every key"
    assert redactor(frozenset({SECRET, "secret-password"}))(text) == text


def test_a_short_secret_is_redacted_whole() -> None:
    """A short secret is removed where all of it occurs. A very short one is not: it would redact half of every text."""
    assert redactor(frozenset({"hush"}))("say hush twice: hush") == "say *** twice: ***"
    assert redactor(frozenset({"a"}))("a banana") == "a banana"
    assert redactor(frozenset())("nothing to redact") == "nothing to redact"


def test_case_does_not_matter() -> None:
    """A short secret is redacted in any case too; a character that is longer in lower case moves nothing."""
    assert redactor(frozenset({"Hush\u0130"}))("say HUSH\u0130 \u0130 twice") == "say *** \u0130 twice"


@pytest.mark.parametrize("length", [40, 600, 5000, 70_000])
def test_a_long_secret_is_redacted_in_parts(length: int) -> None:
    """Of a secret of any length, and of a long enough part of it, no 24 characters in a row remain."""
    secret = letters(length)
    for part in (secret, secret[: length // 2], secret[length // 3 :], secret[5:40]):
        redacted = redactor(frozenset({secret}))(f"<{part}>")
        assert redacted.startswith("<")
        assert "***" in redacted
        assert max(map(len, redacted.split("***"))) < 14, redacted


@pytest.mark.parametrize("secret", ["a]^-\\[b&&c~~d||e", "passwörd 日本語 123", "]]]]]]", "0000-9999"])
def test_a_secret_of_odd_characters_is_found(secret: str) -> None:
    """Beside an ordinary one, and before its own characters."""
    redact = redactor(frozenset({"sk_live_0123456789", secret}))
    assert redact(f"x {secret} {secret[:2]}, sk_live_0123456789") == f"x *** {secret[:2]}, ***"


def test_memory_is_in_proportion_to_the_secret() -> None:
    """A secret of twice the length takes twice the memory, and some kilobytes for each of its kilobytes."""
    used = []
    for length in (20_000, 40_000):
        secret = letters(length)
        tracemalloc.start()
        try:
            redact = Redactor((secret,))
            assert redact("a text") == "a text"
            used.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert used[1] < 3 * used[0]
    assert used[1] < 300 * 40_000, used


def test_recent_secrets_are_forgotten() -> None:
    """The latest secrets of clients are known, the oldest are not, and together they take a bounded memory."""
    recent = RecentSecrets()
    tracemalloc.start()
    try:
        for number in range(300):
            recent.add(letters(number + 10))
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert recent(f"sent {letters(308)} and {letters(12)}") == f"sent *** and {letters(12)}"
    assert size < 16 << 20


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
    assert redact_fields(body, SECRETS) == shown
    assert json.loads(redact_body(json.dumps(body).encode(), SECRETS)) == shown
    if body == shown:
        assert redact_body(json.dumps(body).encode(), SECRETS) == json.dumps(body).encode()
    for odd in (b"", b"{", b"\xff", b"api_key=a"):
        assert redact_body(odd, SECRETS) == odd


def test_a_text_is_secret_where_it_bears_the_name_of_one() -> None:
    """Texts under the name of a secret are found at any depth; numbers, and text that is not JSON, contain none."""
    body = {"sip_password": "a", "more": [{"apiKey": "b", "api_key": 7}, {"name": "c"}]}
    assert secrets_in_body(json.dumps(body).encode(), SECRETS) == {"a", "b"}
    for odd in (b"", b"{", b"[]", b'"api_key"'):
        assert secrets_in_body(odd, SECRETS) == set()


def test_a_body_that_is_cut_off_still_shows_what_is_secret() -> None:
    """A secret is found by its name even if the body is cut off."""
    assert secrets_in_body(b'{"api_key": "hush", "name": "nor', SECRETS) == {"hush"}


def test_a_secret_under_a_name_that_stands_twice_is_redacted() -> None:
    """Every value of a name is looked at, also one that another of the same name hides."""
    body = b'{"data": {"apiKey": "hush"}, "data": {"api_key": "sil\\u0065nce"}, "name": 1}'
    assert secrets_in_body(body, SECRETS) == {"hush", "silence"}
    assert not any(secret in redact_body(body, SECRETS) for secret in (b"hush", b"sil"))


def test_a_credential_in_a_query_or_a_header_is_found() -> None:
    """Credentials in a query or a header are found by name; the name of the scheme is no secret."""
    query = Request("GET", "/", "limit=1&Api-Key=a&token=b%2Fc&x=y")
    assert secrets_in_request(query, SECRETS) == {"a", "b/c"}
    headers = (("cookie", "sid=e; theme=f"), ("x-auth-token", "g"), ("authorization", "Basic dTpwdw=="), ("x", "h"))
    found = {"sid=e", "e", "theme=f", "f", "g", "dTpwdw==", "u", "pw"}
    assert secrets_in_request(Request("GET", "/", "", headers), ()) == found
    unpadded = Request("GET", "/", "", (("authorization", "Basic dTpwdw"),))
    assert secrets_in_request(unpadded, ()) == {"dTpwdw", "u", "pw"}
    assert secrets_in_header("Bearer sk_live_1") == {"sk_live_1"}
    assert secrets_in_header("Bearer \t a\xa0b\x85c ") == {"a\xa0b\x85c"}
    assert secrets_in_header("") == set()


@pytest.mark.parametrize(
    "name",
    [
        "passwd",
        "pwd",
        "client_secret",
        "private_key",
        "passphrase",
        "X-Api-Key",
        "accessToken",
        "openai_api_key",
        "auth",
        *("pass", "user_pass", "pw", "session", "sid", "otp", "pin", "sig", "hmac", "assertion", "ticket"),
    ],
)
def test_a_credential_is_known_by_its_name(name: str) -> None:
    """A query parameter and a field with the name of a credential hold a secret, of whichever vendor."""
    assert secrets_in_request(Request("GET", "/", f"{name}=a%2Fb"), ()) == {"a/b"}
    assert secrets_in_request(Request("POST", "/", "", (), json.dumps([{name: "c"}]).encode()), ()) == {"c"}


@pytest.mark.parametrize(
    ("target", "secrets"),
    [
        ("/trunks?note=Bearer%20tok_1", {"tok_1"}),
        ("/trunks?note=bearer+tok_1", {"tok_1"}),
        ("/trunks?at=https://me:pass@host/x", {"pass"}),
        ("/trunks?at=https%3A%2F%2Fme%3Apass%40host", {"pass"}),
        ("/trunks?note=Basic%20dTpwdzE2", {"dTpwdzE2"}),
        ("/trunks?note=Token+0123abcd", {"0123abcd"}),
        ("/trunks?at=http://key@host/x", {"key"}),
        ("/trunks?note=basic+training+or+token+exchange", set()),
        ("/trunks?at=https://host/x&limit=1&status=active", set()),
    ],
)
def test_a_credential_within_a_value_is_found(target: str, secrets: set[str]) -> None:
    """A bearer credential and the password in an address are secrets in any parameter, and in any field of a body."""
    path, _, query = target.partition("?")
    assert secrets_in_request(Request("GET", path, query), ()) == secrets
    assert secrets_in_request(Request("GET", "/", "", (), json.dumps({"x": unquote(query)}).encode()), ()) == secrets


CREDENTIALS = {
    "Bearer tok_hush_0123": "Bearer ***",
    "the header authorization: bearer eyJh.eyJz.c2ln-_9, and more": "the header authorization: bearer ***, and more",
    '"Bearer abcdefghijklmnopQRSTUVWX="': '"Bearer ***"',
    '{"a": "Bearer abcdefghijklmnopQRSTUVWX=", "b": 1}': '{"a": "Bearer ***", "b": 1}',
    "?a=Bearer%20tok_hush_0123&b=1": "?a=Bearer%20***&b=1",
    "?a=Bearer+tok_hush_0123": "?a=Bearer+***",
    "Basic dTpwdw==": "Basic ***",
    "BASIC dTpwdw": "BASIC ***",
    "Bearer tok_hush_0123, Basic dTpwdw==": "Bearer ***, Basic ***",
}
WORDS = [
    'Bearer realm="x"',
    'Bearer realm="api", error="invalid_token", error_description="the token has expired"',
    r'{"a": "Bearer oauth2_resource_metadata=\"https://acme.example\""}',
    "Bearer authorization_uri=https://acme.example",
    'Basic realm="trunks", charset="UTF-8"',
    "basic training, and a bearer token of 12 characters",
    "Bearer $TRUNKLINE_TOKEN",
    "Bearer YOUR_API_KEY",
    "Bearer *** or Bearer ...",
    "a forbearer 0123456789",
    "Bearer token-authentication-is-required",
    "Bearer",
]


@pytest.mark.parametrize("text", CREDENTIALS)
def test_a_credential_is_redacted_after_its_scheme(text: str) -> None:
    """Wherever that stands, and whoever sent it: in a report, in drift, and in the record of a proxy."""
    assert redact_credentials(text) == CREDENTIALS[text]
    assert Report().redact(text) == CREDENTIALS[text]
    fields = (("x-note", text),)
    found = [
        *secrets_in_response(Response(200, fields), ()),
        *secrets_in_response(Response(200, (), text.encode()), ()),
    ]
    assert found
    assert not any(credential in CREDENTIALS[text] for credential in found)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at https://user:hunter2@host/x, twice", "at https://user:***@host/x, twice"),
        ("//:hunter2:3@host https:/user:hunter2@host", "//:***@host https:/user:***@host"),
        ("the key sk_live_0123456789, and rk_test_0123456789", "the key ***, and ***"),
        ("https://host:8900/a@b sip://alice@host /a:b@c sk_live_ sk_live_abc...", None),
    ],
)
def test_a_credential_is_redacted_by_its_shape(text: str, shown: str | None) -> None:
    """The password in an address, and a key that begins as one."""
    assert redact_shapes(text) == Report().redact(text) == (shown or text)


@pytest.mark.parametrize("secret", ["sk_live_0123456789-abc", "https://user:hunter2@a.example", "user:hunter2"])
def test_a_known_secret_is_redacted_whole(secret: str) -> None:
    """Although a part of it has the shape of one."""
    assert Report(secrets=frozenset({secret})).redact(f"x //{secret}@host") == "x //***@host"


@pytest.mark.parametrize("text", WORDS)
def test_what_follows_a_scheme_and_is_no_credential_stays(text: str) -> None:
    """Parameters, words and placeholders can be read."""
    assert redact_credentials(text) == text
    assert secrets_in_response(Response(401, (("www-authenticate", text),), text.encode()), ()) == set()


def test_an_escaped_slash_does_not_end_a_credential() -> None:
    """Some encoders of JSON write it, and the secret is known with the slash."""
    body = rb'{"note": "Bearer tok_hush_0123\/4567"}'
    assert secrets_in_response(Response(200, (), body), ()) == {"tok_hush_0123/4567"}


@pytest.mark.parametrize(
    "part", ["bearer ", "Bearer " + "+" * 50, "basic%20", "Bearer a=", "Basic " + "=" * 30, "%20", "//:a", "//:::a@"]
)
def test_credentials_are_found_in_a_time_in_proportion_to_the_text(part: str) -> None:
    """A text that nearly holds many is read once: it would never end otherwise."""
    text = part * ((1 << 17) // len(part))
    assert len(redact_credentials(redact_shapes(text))) <= len(text)
    assert len(redact_credentials(f"Bearer {text}")) <= len(text) + 7


@pytest.mark.parametrize("part", [rb"\"", rb"\":", rb"\"a", rb'"a', rb"\ "])
def test_names_are_found_in_a_time_in_proportion_to_the_body(part: bytes) -> None:
    """A server may answer with anything that is not JSON: it would take hours otherwise."""
    assert secrets_in_response(Response(200, (), part * ((1 << 18) // len(part))), ()) == set()


@pytest.mark.parametrize("name", [r"to\u006ben", r"\"token", r"token\"x", r"token\\", r"a\\token\"", r"to\u006ben\n"])
def test_a_secret_is_found_under_a_name_with_escapes(name: str) -> None:
    """Wherever in the name the escapes are, and whitespace before the colon."""
    assert secrets_in_response(Response(200, (), f'{{"x": 1, "{name}" : "night-7"}}'.encode()), ()) == {"night-7"}


@pytest.mark.parametrize(
    ("path", "body", "secrets"),
    [
        ("/x;password=a%2Fb/y;z=c", b"", {"a/b/y"}),
        ("/x", b"name=n&password=a%2Fb", {"a/b"}),
        ("/x", b'{"passwords": ["a", {"b": "c"}], "secret": {"value": "d"}, "name": ["e"]}', {"a", "c", "d"}),
        ("/x", b'{"password": 81726354, "token": 1.5e3, "key": true, "name": 1}', {"81726354", "1.5e3"}),
        ("/x", b'{"token": "a", "token": "b", "x": {"key": "c"}, "x": 1}', {"a", "b", "c"}),
        ("/x", b'{"token":' + b"9" * 5000 + b', "key":"a"}', {"9" * 5000, "a"}),
        ("/x", b'{"token": "a", "x": ' + b"[" * 100_000, {"a"}),
        ("/x", b'{"x": [{"name": "X-Api-Key", "value": "a"}, {"name": "n", "value": "b"}], "value": "c"}', {"a"}),
        ("/x", json.dumps({"x": [json.dumps({"password": "a", "n": "b"})]}).encode(), {"a"}),
    ],
    ids=["path", "form", "inner", "number", "twice", "long number", "deep", "pair", "text"],
)
def test_a_secret_is_found_below_its_name(path: str, body: bytes, secrets: set[str]) -> None:
    """Every text below the name of a credential is a secret: in a path, a form, a list, an object and a number."""
    assert secrets_in_request(Request("POST", path, "", (), body), ()) == secrets


@pytest.mark.parametrize(
    ("query", "field", "secrets"),
    [
        ("a=1;token=b", "", {"b"}),
        ("token=a;b", "", {"a;b", "a"}),
        ("%2574oken=a", "", {"a"}),
        ("filter={%22password%22:%22a%22}", "", {"a"}),
        ("", "https://acme.example/?x=1&token=a&y=2", {"a"}),
        ("", "503 header.set-cookie=sid=a x2", {"sid=a", "a"}),
        ("", r'503 body="{\"password\": \"a\", \"name\": \"b\"}"', {"a"}),
        ("", 'token="a b"; x="c"', {"a b"}),
        ("a=1;b=2", "limit=1; name=x", set()),
    ],
)
def test_a_secret_is_found_in_other_notations(query: str, field: str, secrets: set[str]) -> None:
    """After a semicolon, under a name that was encoded twice, in JSON within a text, or assigned in a header field."""
    assert secrets_in_request(Request("GET", "/", query, (("x-note", field),)), ()) == secrets


def test_a_body_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that stands twice costs no reading of its own, for a stranger could send many long values."""
    monkeypatch.setattr(redaction, "read_json", None)
    body = b'{"a": [{}], "a": [{"key": "b"}], "a": 1}'
    assert secrets_in_request(Request("POST", "/x", "", (), body), ()) == {"b"}


def test_only_the_beginning_of_a_long_text_is_searched() -> None:
    """The time to show a text does not grow with its length."""
    assert excerpt("x" * 1_000_000, 80, lambda text: f"{len(text)}".ljust(100)).startswith("2048 ")


def test_a_request_with_too_many_secrets_is_not_shown() -> None:
    """Where more secrets were sent than can be searched for, nothing of the request is shown."""
    assert redactor_of_request(Request("GET", "/x", "token=abcdef"))("an abcdef") == "an ***"
    assert redactor_of_request(Request("GET", "/x", f"token={'a' * 100_000}"))("a text") == "***"
    assert redactor_of_request(Request("GET", "/x", "&".join(f"key=ab{n:04}" for n in range(500))))("a text") == "***"
