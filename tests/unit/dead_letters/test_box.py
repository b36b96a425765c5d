"""Folding copies and resolutions: the same end in whatever order they are read."""

from __future__ import annotations

from contextlib import closing

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.dead_letters.world import NOW
from workers.dead_letters.box import Box, Known
from workers.domain.events import DeadLetterResolved
from workers.wire.letters import ID, ORIGIN, REPLAYS
from workers.wire.records import InRecord, Position

NAMES = [f"0a3f3f6e-52b5-5e0e-9a53-6f1d0c1f2b{number:02d}" for number in range(3)]


def copy(name: str, replays: int, at: int, offset: int) -> InRecord:
    """A copy of a letter on ``embedder.dead``."""
    origin = ((ORIGIN + "topic", b"posts"), (ORIGIN + "partition", b"0"), (ORIGIN + "offset", name[-2:].encode()))
    headers = (*origin, (ID, name.encode()), (REPLAYS, b"%d" % replays))
    return InRecord(Position("embedder.dead", 0, offset), b"k", name.encode(), headers, at)


def resolved(name: str, action: str, replays: int) -> DeadLetterResolved:
    """What an operator did."""
    return DeadLetterResolved.model_validate(
        {"dead_id": name, "worker": "embedder", "action": action, "resolved_at": NOW, "replays": replays}
    )


COPIES = st.lists(st.tuples(st.sampled_from(NAMES), st.integers(0, 3), st.integers(0, 5)), max_size=12)
RESOLUTIONS = st.dictionaries(
    st.sampled_from(NAMES), st.tuples(st.sampled_from(["replayed", "dropped"]), st.integers(0, 4))
)


def folded(copies: list[InRecord], resolutions: list[DeadLetterResolved]) -> list[Known]:
    """Resolutions first or last does not matter either: they go in between."""
    box = Box()
    for record in copies[::2]:
        box.put(record, "embedder")
    for resolution in resolutions:
        box.resolve(resolution)
    for record in copies[1::2]:
        box.put(record, "embedder")
    with closing(box):
        return list(box.letters())


@given(COPIES, RESOLUTIONS, st.randoms(use_true_random=False))
def test_the_order_of_reading_does_not_matter(
    copies: list[tuple[str, int, int]], said: dict[str, tuple[str, int]], random: object
) -> None:
    """Topics and partitions are read side by side."""
    records = [copy(*each, offset) for offset, each in enumerate(copies)]
    resolutions = [resolved(name, *each) for name, each in said.items()]
    expected = folded(records, resolutions)
    random.shuffle(records)  # type: ignore[attr-defined]
    random.shuffle(resolutions)  # type: ignore[attr-defined]
    assert folded(records, resolutions) == expected


@given(COPIES, RESOLUTIONS)
def test_a_letter_is_listed_once_and_dead_unless_its_newest_death_is_settled(
    copies: list[tuple[str, int, int]], said: dict[str, tuple[str, int]]
) -> None:
    """The law of resolutions, said again without the code."""
    records = [copy(*each, offset) for offset, each in enumerate(copies)]
    known = folded(records, [resolved(name, *each) for name, each in said.items()])
    assert [each.letter.id for each in known] == sorted({name for name, _, _ in copies})
    for each in known:
        deaths = [replays for name, replays, _ in copies if name == each.letter.id]
        action, replays = said.get(each.letter.id, ("", 0))
        settled = action == "dropped" or (action == "replayed" and max(deaths) < replays)
        assert (each.state == "dead") is not settled
        assert each.copies == len(deaths)


def test_a_deleted_resolution_settles_nothing() -> None:
    """A tombstone on the compacted topic."""
    box = Box()
    box.put(copy(NAMES[0], 0, 1, 0), "embedder")
    box.resolve(resolved(NAMES[0], "dropped", 0))
    box.forget(f"embedder|{NAMES[0]}")
    with closing(box):
        assert [known.state for known in box.letters()] == ["dead"]


def test_what_is_done_about_a_letter_settles_none_of_another_worker() -> None:
    """One event may be dead at two workers, under one id."""
    box = Box()
    for worker in ("embedder", "creators"):
        box.put(copy(NAMES[0], 0, 1, 0), worker)
    box.resolve(resolved(NAMES[0], "dropped", 0))
    with closing(box):
        assert [(known.letter.worker, known.state) for known in box.letters()] == [
            ("creators", "dead"),
            ("embedder", "dropped"),
        ]
