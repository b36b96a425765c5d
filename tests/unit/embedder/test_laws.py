"""The law of the store: whatever comes, how often, and wherever the process dies, the same objects are left."""

from __future__ import annotations

import asyncio
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.store import Killed
from tests.unit.embedder.conftest import House, outputs, published, removed
from workers.domain.events import PostPublished, PostRemoved
from workers.embedder.plan import rank_of
from workers.wire.records import Verdict

OnePost = PostPublished | PostRemoved
EVENTS: st.SearchStrategy[OnePost] = st.one_of(
    st.builds(
        published,
        st.integers(0, 3),
        st.lists(st.sampled_from("abvwx"), max_size=3),
        st.sampled_from(["", "tea", "milk"]),
    ),
    st.builds(removed, st.integers(0, 3)),
)


def undisturbed(events: list[OnePost]) -> tuple[object, object]:
    """The state and the announcement of the one event that stands."""
    house = House()
    (verdict,) = asyncio.run(house.give(max(events, key=rank_of)))
    return house.state(), outputs(verdict)


@given(st.lists(EVENTS, min_size=1, max_size=6), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=60)
def test_events_of_a_post_in_any_order_and_number_leave_what_the_greatest_alone_leaves(
    events: list[OnePost], random: Random
) -> None:
    """Objects, vectors and the last announcement, to the byte."""
    shuffled = [*events, *random.choices(events, k=4)]
    random.shuffle(shuffled)
    house = House()

    async def story() -> Verdict:
        last: Verdict | None = None
        for event in shuffled:
            (last,) = await house.give(event)
        assert last is not None
        return last

    last = asyncio.run(story())
    state, announced = undisturbed(events)
    assert house.state() == state
    assert outputs(last) == announced


@given(st.lists(EVENTS, min_size=1, max_size=5), st.integers(1, 12), st.integers(0, 2))
@settings(deadline=None, max_examples=80)
def test_a_process_that_dies_before_any_write_ends_right_after_a_replay(
    events: list[OnePost], dies_at: int, back: int
) -> None:
    """Kill between visuals, deletion and post; the log is read again from there, or from somewhat earlier."""
    house = House()
    house.store.dies_at = dies_at

    async def story() -> None:
        position = 0
        while position < len(events):
            try:
                await house.give(events[position])
            except Killed:
                house.store.dies_at = None
                house.restart()
                position = max(0, position - back)
                continue
            position += 1

    asyncio.run(story())
    assert house.state() == undisturbed(events)[0]
