"""What hosts' answers mean, decided from status, headers, address and the time alone."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.domain.media import InvalidMedia, MediaUnavailable, shown_address
from workers.domain.media_answers import expiry, judge, retry_after

NOW = datetime(2026, 6, 1, 12, 0, 0, tzinfo=UTC)
PAST, FUTURE = int(NOW.timestamp()) - 60, int(NOW.timestamp()) + 60
HOST = "https://cdn.example/a.jpg"


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("120", 120.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("999999", 3600.0),
        ("9" * 5000, 3600.0),
        ("Mon, 01 Jun 2026 12:00:30 GMT", 30.0),
        ("Mon, 01 Jun 2026 14:00:30 +0200", 30.0),
        ("Mon, 01 Jun 2020 12:00:30 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600.0),
        ("", None),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("²", None),
        ("nan", None),
        ("Mon, 99 Jun 2026 12:00:30 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_bounded(said: str, seconds: float | None) -> None:
    """What is neither says nothing."""
    assert retry_after(said, NOW, 3600.0) == seconds


@given(st.text())
def test_any_retry_after_is_a_time_within_bounds_or_none(said: str) -> None:
    """Strangers write it."""
    seconds = retry_after(said, NOW, 60.0)
    assert seconds is None or 0.0 <= seconds <= 60.0


@pytest.mark.parametrize("status", [202, 408, 425, 429, 500, 503, 599])
def test_a_busy_host_says_when(status: int) -> None:
    """Of 429, 503 and their like; the signature is not quoted."""
    with pytest.raises(MediaUnavailable, match=str(status)) as caught:
        judge(status, {"retry-after": "40"}, f"{HOST}?sig=secret", NOW, 3600.0)
    assert (caught.value.after, caught.value.asked) == (40.0, True)
    assert "secret" not in str(caught.value)


SIGNED = [
    "X-Amz-Date=20260601T115800Z&X-Amz-Expires={length}&X-Amz-Signature=s",
    "X-Goog-Date=20260601T115800Z&X-Goog-Expires={length}",
    "Expires={seconds}&Signature=s&Key-Pair-Id=K",
    "x-expires={seconds}&x-signature=s",
    "expire={seconds}",
    "exp={seconds}&hmac=s",
    "oh=s&oe={hex}&_nc_sid=1",
    "ex={hex}&is=1&hm=s",
    "sv=2024-01-01&se={iso}&sig=s",
    "hdnts=st=1~exp={seconds}~acl=/*~hmac=s",
    "__token__=exp={seconds}~hmac=s",
]


def signed(form: str, at: int) -> str:
    """An address in that form whose time is over at ``at``."""
    length = at - int(datetime(2026, 6, 1, 11, 58, tzinfo=UTC).timestamp())
    iso = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"{HOST}?{form.format(length=length, seconds=at, hex=f'{at:X}', iso=iso)}"


@pytest.mark.parametrize("form", SIGNED)
@pytest.mark.parametrize("status", [400, 401, 403, 410])
def test_a_refused_address_whose_time_is_over_has_expired(form: str, status: int) -> None:
    """That is a reason of its own: the address must be signed anew. Before its time it is another."""
    assert expiry(signed(form, PAST)) == datetime.fromtimestamp(PAST, UTC)
    with pytest.raises(InvalidMedia) as caught:
        judge(status, {}, signed(form, PAST), NOW, 3600.0)
    assert caught.value.reason == "media_expired"
    with pytest.raises(InvalidMedia) as caught:
        judge(status, {}, signed(form, FUTURE), NOW, 3600.0)
    assert caught.value.reason != "media_expired"


def test_a_picture_that_is_served_after_its_time_is_there() -> None:
    """The host decides; and a 404 is no matter of signatures."""
    judge(200, {}, signed(SIGNED[0], PAST), NOW, 3600.0)
    with pytest.raises(InvalidMedia) as caught:
        judge(404, {}, signed(SIGNED[0], PAST), NOW, 3600.0)
    assert caught.value.reason == "media_gone"


@pytest.mark.parametrize(
    "query",
    [
        "",
        "Expires=",
        "Expires=soon",
        "Expires=12",
        "Expires=-1780000000",
        "Expires=1_780_000_000",
        "Expires=" + "9" * 5000,
        "oe=zzz",
        "oe=0xzz",
        "se=yesterday",
        "se=0001-01-01T00:00:00+23:00",
        "X-Amz-Expires=60",
        "X-Amz-Date=20260601T000000Z",
        "X-Amz-Date=20269901T000000Z&X-Amz-Expires=60",
        "X-Amz-Date=99991231T235959Z&X-Amz-Expires=999999999",
        "hdnts=~~=~exp~",
        "&".join(f"a{n}=1" for n in range(500)),
    ],
)
def test_what_is_no_expiry_is_none(query: str) -> None:
    """Half a signature, no time, or nonsense."""
    assert expiry(f"{HOST}?{query}") is None


@given(st.text())
def test_any_query_has_an_expiry_or_none(query: str) -> None:
    """Never an error."""
    found = expiry(f"{HOST}?{query}")
    assert found is None or found.tzinfo is not None


def test_an_address_is_shown_without_its_secrets() -> None:
    """Query, fragment, credentials, line breaks, and no more than a line."""
    assert shown_address("https://u:secret@cdn.example/a?sig=secret#secret") == "https://cdn.example/a"
    assert "\n" not in shown_address("http://a/\nERROR forged")
    assert len(shown_address("http://a/" + "x" * 9000)) <= 200
