"""Stand-ins for secrets: no secret is left, and nothing that is judged changes."""

from __future__ import annotations

import json
import re
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.traffic.stand_ins import StandIns

SECRETS = [
    "sk_live_0123456789abcdef",
    "hunter2!",
    'a"b\\c\nd-secret',
    "pässwörd-予約-😀",
    "0000",
    "Ab9/+=Zz" * 20,
    "x" * 2000,
]


@pytest.mark.parametrize("secret", SECRETS)
def test_a_stand_in_has_the_form_of_its_secret(secret: str) -> None:
    """Length in characters and bytes, and the class of each character, are kept; no letter or digit is."""
    other = StandIns().of(secret)
    assert (len(other), len(other.encode())) == (len(secret), len(secret.encode()))
    for before, after in zip(secret, other, strict=True):
        assert (before.isalpha(), before.isdigit(), before.isupper()) == (
            after.isalpha(),
            after.isdigit(),
            after.isupper(),
        )
        assert (before == after) is not before.isalnum()


@pytest.mark.parametrize("secret", SECRETS)
def test_the_same_secret_has_the_same_stand_in(secret: str) -> None:
    """Wherever it occurs, so that an echo stays an echo; in another process it is another one."""
    stand_ins = StandIns()
    assert stand_ins.learn({secret, "another-secret"})
    shown = stand_ins(f"<{secret}> and again {secret}")
    assert secret not in shown
    assert len({*re.findall("<(.*)> and again (.*)", shown, re.DOTALL)[0]}) == 1
    assert stand_ins(f"<{secret}>") == shown.partition(" and")[0]
    assert StandIns().of("sk_live_0123456789") != StandIns().of("sk_live_0123456789")


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_json_and_addresses_stay_valid(secret: str, ascii_only: bool) -> None:
    """A secret with escapes is found in JSON and in a query, and both can be read afterwards."""
    stand_ins = StandIns()
    stand_ins.learn({secret})
    text = stand_ins(json.dumps({"password": secret, "n": 1}, ensure_ascii=ascii_only))
    assert json.loads(text)["password"] != secret
    assert len(json.loads(text)["password"]) == len(secret)
    address = stand_ins(f"/trunks?key={quote(secret, safe='')}&limit=1")
    assert secret not in unquote(address)
    assert address.endswith("&limit=1")
    assert unquote(address, errors="strict")


def test_a_number_stays_a_number() -> None:
    """A stand-in of digits has no leading zero, so JSON stays valid."""
    stand_ins = StandIns()
    for number in range(1000, 1300):
        assert 1000 <= int(stand_ins.of(str(number))) <= 9999


def test_short_secrets_are_replaced_under_their_names() -> None:
    """Values that are too short to be looked for are replaced in JSON and in queries."""
    shown = StandIns().under_names(
        '{"pin": "12", "n": "12", "code": 7} ?pin=12&n=12', lambda name: name in {"pin", "code"}
    )
    assert re.fullmatch(r'\{"pin": "[1-9]{2}", "n": "12", "code": [1-9]\} \?pin=[1-9]{2}&n=12', shown)
    assert '"pin": "12"' not in shown


def test_more_secrets_than_can_be_searched_for_are_refused() -> None:
    """The memory is bounded: too many at once are refused, and old ones make room for new ones."""
    stand_ins = StandIns()
    assert not stand_ins.learn({f"secret-number-{number}" for number in range(1000)})
    for number in range(1000):
        assert stand_ins.learn({f"secret-number-{number:04}", "always-the-same-token"})
    assert "always" not in stand_ins("always-the-same-token")
    assert "0999" not in stand_ins("secret-number-0999")


@given(st.text(min_size=4, max_size=40), st.text(max_size=40))
def test_any_secret_is_replaced_anywhere(secret: str, around: str) -> None:
    """Whatever the secret and the text around it are, a secret with letters or digits is gone from JSON."""
    stand_ins = StandIns()
    stand_ins.learn({secret})
    text = stand_ins(json.dumps([around, secret, around + secret]))
    read = json.loads(text)
    assert len(read) == 3
    if any(character.isalnum() and character.isascii() for character in secret):
        assert read[1] != secret
