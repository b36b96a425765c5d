"""Events from outside: the good ones are written, the bad ones answered one by one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.fakes.producer import MemoryProducer
from workers.wire.cloudevents import JsonCodec, Wire, attributes
from workers.wire.ingest import ingest

NOW = datetime(2026, 5, 4, tzinfo=UTC)
WIRE = Wire(JsonCodec(), "test", "")


def gone(post_id: str, **more: Any) -> dict[str, Any]:
    """A removal as JSON."""
    return {"type": "PostRemoved", "post_id": post_id, "creator_id": f"creator-of-{post_id}", "revision": 1, **more}


def test_a_bad_item_never_harms_its_neighbours() -> None:
    """Two are accepted, the one between is answered by its index."""
    producer = MemoryProducer()
    report = ingest("posts", [gone("a"), gone("b", revision=-1), gone("c")], WIRE, producer, time=NOW)
    assert len(report.accepted) == 2
    assert {index: error.fields[0].field for index, error in report.errors.items()} == {1: "revision"}
    assert [record.key for record in producer.written] == [b"creator-of-a", b"creator-of-c"]


def test_strict_writes_nothing_when_one_item_is_bad() -> None:
    """And everything when none is."""
    producer = MemoryProducer()
    assert ingest("posts", [gone("a"), {}], WIRE, producer, strict=True, time=NOW).accepted == ()
    assert producer.written == []
    assert len(ingest("posts", [gone("a")], WIRE, producer, strict=True, time=NOW).accepted) == 1


def test_the_same_item_again_is_the_same_cloudevent() -> None:
    """However it is written; another item, another topic, is another."""
    producer = MemoryProducer()
    again = dict(reversed(gone("a").items()))
    first = ingest("posts", [gone("a"), gone("b")], WIRE, producer, time=NOW).accepted
    assert ingest("posts", [again], WIRE, producer).accepted == first[:1]
    assert ingest("posts.backfill", [again], WIRE, producer).accepted != first[:1]
    assert first[0] != first[1]


def test_an_id_that_is_given_is_kept() -> None:
    """In the report and on the wire."""
    producer = MemoryProducer()
    assert ingest("posts", [gone("a", id="scrape-17")], WIRE, producer).accepted == ("scrape-17",)
    assert attributes(producer.written[0].headers)["id"] == "scrape-17"


@pytest.mark.parametrize("given", ["", 17, "a\nb", "x" * 257, ["a"]])
def test_an_id_that_cannot_be_one_is_refused(given: object) -> None:
    """With the field named."""
    report = ingest("posts", [gone("a", id=given)], WIRE, MemoryProducer())
    assert report.errors[0].fields[0].field == "id"


def test_what_the_broker_refuses_is_not_accepted() -> None:
    """Accepted are acknowledgements, never sends."""
    producer = MemoryProducer()
    producer.refused = {b"creator-of-a"}
    report = ingest("posts", [gone("a"), gone("b")], WIRE, producer)
    assert report.undelivered == {0: "the record is too large"}
    assert len(report.accepted) == 1


def test_what_is_never_acknowledged_is_not_accepted() -> None:
    """The wait has an end."""
    producer = MemoryProducer()
    producer.holding = True
    report = ingest("posts", [gone("a")], WIRE, producer, seconds=0.01)
    assert (report.accepted, report.undelivered) == ((), {0: "not acknowledged within 0.01 s"})


def test_nothing_in_nothing_out() -> None:
    """An empty list is no error."""
    report = ingest("posts", [], WIRE, MemoryProducer())
    assert (report.accepted, dict(report.errors), dict(report.undelivered)) == ((), {}, {})


def test_an_event_that_no_topic_takes_is_wrong_not_undelivered() -> None:
    """Each of its fields is in range, and it would be refused by the broker for ever: a repeat is no help."""
    media = [{"url": f"https://a/{n}", "kind": "image", "alt_text": "a" * 20_000} for n in range(20)]
    media = [{**one, "url": one["url"] + "x" * 4000} for one in media]
    post = {"post_id": "a", "creator_id": "c", "revision": 1, "platform": "x", "url": "https://a/", "media": media}
    big = {**post, "published_at": NOW.isoformat(), "caption": "\N{SLICE OF PIZZA}" * 20_000}
    producer = MemoryProducer()
    report = ingest(
        "posts",
        [{**big, "media": [{**one, "alt_text": "\N{SLICE OF PIZZA}" * 20_000} for one in media]}, big],
        WIRE,
        producer,
        time=NOW,
    )
    assert "1000000 are the most" in report.errors[0].detail
    assert len(report.accepted) == len(producer.written) == 1
