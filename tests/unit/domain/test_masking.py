"""Secrets never reach a terminal; what is not one stays readable."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.domain.masking import MASK, is_secret_name, masked, masked_values

SECRET = "s3cr3t-Value.9"


@pytest.mark.parametrize(
    "text",
    [
        f"https://ana:{SECRET}@host.example/a.png",
        f"https://{SECRET}@host.example/a.png",
        f"https://ana:p@{SECRET}@host.example/",
        f"https://b.example/a.png?X-Amz-Signature={SECRET}&x=1",
        f"https://b.example/a.png?a=1&sig={SECRET}#here",
        f"https://b.example/a.png?access_token={SECRET}",
        f"https://b.example/?AWSAccessKeyId={SECRET}",
        f"authorization: Bearer {SECRET}",
        f"Authorization: Basic {SECRET}",
        f'{{"password": "{SECRET}"}}',
        f"client_secret={SECRET}",
        f"sasl.password = '{SECRET}'",
        f"api_key:{SECRET}",
        f"a cookie: {SECRET}; next",
    ],
)
def test_secrets_in_texts_are_not_shown(text: str) -> None:
    """Addresses, headers, settings, JSON."""
    assert SECRET not in masked(text)
    assert MASK in masked(text)
    assert len(masked(text, lambda secret: "*" * len(secret))) == len(text)


@pytest.mark.parametrize(
    "text", ["a cosy morning: coffee", "https://host.example/a.png?width=3&page=2", "media[0]: 404 of https://h/a.png"]
)
def test_what_is_no_secret_stays(text: str) -> None:
    """An operator must still see what is wrong."""
    assert masked(text) == text


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        *((name, True) for name in ("Authorization", "x-api-key", "set-cookie", "auth", "client-secret")),
        *((name, False) for name in ("ce_type", "content-type", "streamscout.dead.id", "traceparent")),
    ],
)
def test_a_header_with_a_telling_name_is_secret(name: str, secret: bool) -> None:
    """Whatever its value looks like."""
    assert is_secret_name(name) is secret


def test_values_are_masked_at_any_depth() -> None:
    """An event as JSON."""
    value = {"media": [{"url": f"https://a:{SECRET}@h/"}], "token": SECRET, "revision": 3, "safety": None}
    assert SECRET not in str(masked_values(value))
    assert masked_values(value)["revision"] == 3


@given(st.text(max_size=300))
def test_any_text_can_be_masked_and_masked_again(text: str) -> None:
    """Masking never fails, and stars of one length stay of that length."""

    def stars(secret: str) -> str:
        return "*" * len(secret)

    assert len(masked(text, stars)) == len(text)
    masked(masked(text))


def test_a_long_hostile_text_does_not_make_it_slow() -> None:
    """A mebibyte of what nearly matches, in one pass: without bounds this would take hours, and the test's time."""
    for part in ("a", "password", "://", "?key", "@", "bearer "):
        masked(part * (200_000 // len(part)))
