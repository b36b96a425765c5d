"""What people and programs see of a dead letter."""

from __future__ import annotations

import orjson
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.dead_letters.world import World
from workers.dead_letters.showing import as_json, lines_of, page_json, page_lines, printable, shown_bytes, summary
from workers.dead_letters.worker import Outcome
from workers.domain.events import PostPublished
from workers.domain.reasons import Reason

SECRET = "s3cr3t-Value.9"


def post(url: str) -> PostPublished:
    """A post with a picture."""
    return PostPublished.model_validate(
        {
            "post_id": "p1",
            "creator_id": "ana",
            "revision": 1,
            "platform": "web",
            "url": "https://h/p1",
            "published_at": "2026-01-01T00:00:00Z",
            "media": [{"url": url, "kind": "image"}],
        }
    )


def test_a_page_says_all_but_secrets() -> None:
    """Headers, the event, what it means and what to do."""
    world = World()
    record = world.wire.record(
        "posts", post(f"https://u:{SECRET}@h/a.png?sig={SECRET}"), id="1", time=world.clock.now()
    )
    headers = (*record.headers, ("authorization", f"Bearer {SECRET}".encode()), ("x", b"\x1b[2Jred\xff"))
    world.dies(world.published(value=record.value, headers=headers))
    (known,) = world.dead()
    page = page_json(known, world.tool.record(known), world.wire, 512)
    text = "\n".join(page_lines(page, known))
    for shown in (text, orjson.dumps(page).decode()):
        assert SECRET not in shown
        assert "\x1b" not in shown
    assert page["event_type"] == "PostPublished"
    assert page["event"]["post_id"] == "p1"
    assert page["what_to_do"] == Reason.MEDIA_CORRUPT.what_to_do
    assert Reason.MEDIA_CORRUPT.what_to_do in text
    assert "authorization: ***" in text


def test_bytes_that_are_no_event_are_shown_as_text_or_as_hexadecimal() -> None:
    """Cut where they are long, secrets as stars."""
    assert list(shown_bytes(b'{"a": "b"', 100)) == ['{"a": "b"']
    rows = list(shown_bytes(b"\x00\x01password=" + SECRET.encode() + b"\x1b[2J", 100))
    assert rows[0].startswith("00000000  00 01 70 61")
    assert SECRET not in "".join(row[-16:] for row in rows)
    assert SECRET.encode().hex() not in "".join(rows).replace(" ", "")
    assert "\x1b" not in "".join(rows)
    assert list(shown_bytes(b"x" * 40, 16))[-1] == "… and 24 bytes more"


@given(st.binary(max_size=200))
def test_any_bytes_can_be_shown(data: bytes) -> None:
    """Without a control character."""
    assert all(line.isprintable() for line in shown_bytes(data, 150))


@given(st.text(max_size=50))
def test_what_strangers_write_does_not_steer_the_terminal(text: str) -> None:
    """One line of printable characters, whatever it was."""
    assert printable(text).isprintable()


def test_undecodable_bytes_say_why() -> None:
    """The reader's own words, and the bytes."""
    world = World()
    world.dies(
        world.published(value=b"{not json", headers=(("ce_type", b"io.streamscout.PostPublished"),)),
        reason="malformed_json",
    )
    (known,) = world.dead()
    page = page_json(known, world.tool.record(known), world.wire, 512)
    assert page["event"] is None
    assert page["undecodable"].startswith("malformed_json")
    assert page["value"] == ["{not json"]
    assert "no event: malformed_json" in "\n".join(page_lines(page, known))
    assert page_json(known, None, world.wire, 512)["undecodable"] == "its time on the topic is over"


def test_a_line_and_its_json_say_the_same() -> None:
    """Id, worker, reason, detail, first seen, attempts, key, origin, state."""
    world = World()
    world.dies(world.published())
    world.drop()
    (known,) = world.dead(resolved=True)
    told = as_json(known)
    text = "\n".join(lines_of(known))
    assert (told["state"], told["why"]) == ("dropped", "gone for good")
    for part in (told["id"], "embedder", "media_corrupt", "[dropped]", "2026-03-01 12:00:00", "1 attempt", "key ana"):
        assert part in text
    assert f"n.posts/{known.letter.origin.partition}@{known.letter.origin.offset}" in text


def test_a_summary_counts_what_was_done() -> None:
    """Or says that nothing was chosen."""
    world = World()
    world.dies(world.published())
    (known,) = world.dead()
    assert (
        summary([Outcome(known, "replayed"), Outcome(known, "refused"), Outcome(known, "replayed")])
        == "2 replayed, 1 refused"
    )
    assert summary([]) == "nothing was chosen"
