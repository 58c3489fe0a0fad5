"""Signed texts: they come back unchanged, for their purpose and secret only, and fit into addresses."""

import re

from hypothesis import example, given
from hypothesis import strategies as st

from analytics_exports.services.signing import Signer

SIGNER = Signer(lambda: b"secret")
TEXTS = st.text(st.characters(codec="utf-8"))
VALUES = st.lists(TEXTS | st.integers(-(2**53), 2**53), max_size=4)


@given(TEXTS, VALUES)
def test_what_was_signed_is_verified(purpose: str, values: list[str | int]) -> None:
    signed = SIGNER.sign(purpose, *values)

    assert re.fullmatch(r"[A-Za-z0-9_.-]+", signed)
    assert SIGNER.verify(purpose, signed) == values


@given(TEXTS, TEXTS, VALUES)
def test_it_is_valid_for_one_purpose_and_one_secret(purpose: str, other: str, values: list[str | int]) -> None:
    signed = SIGNER.sign(purpose, *values)

    assert Signer(lambda: b"other").verify(purpose, signed) is None
    if other != purpose:
        assert SIGNER.verify(other, signed) is None


@example("test", "\ud800")
@given(TEXTS, st.text())
def test_other_texts_are_not_verified(purpose: str, text: str) -> None:
    assert SIGNER.verify(purpose, text) is None


@given(VALUES, st.data())
def test_an_altered_text_is_not_verified(values: list[str | int], data: st.DataObject) -> None:
    signed = SIGNER.sign("test", *values)
    at = data.draw(st.integers(0, len(signed) - 2))  # two bits of the last character mean nothing in Base64
    new = data.draw(st.sampled_from("ABab01-_").filter(lambda character: character != signed[at]))

    assert SIGNER.verify("test", signed[:at] + new + signed[at + 1 :]) is None
