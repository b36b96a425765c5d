"""What is written at once and what later: laws of the pure part."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.indexer.events import MODEL, NOON, WIDTH, facet, updated, vector
from tests.unit.indexer.streams import streams, turned
from workers.domain.events import CreatorUpdated, Profile
from workers.domain.ids import facet_id
from workers.domain.stored import StoredObject
from workers.indexer.objects import CreatorObjects, creator_objects
from workers.indexer.settling import (
    TRAILING,
    Published,
    Step,
    Thresholds,
    distance,
    may_wait,
    next_step,
    unlike,
)

THRESHOLDS = Thresholds(0.01, 0.05, 0.02)
P = facet_id("c", "p", MODEL)


def said(event: CreatorUpdated) -> CreatorObjects:
    """The exact objects."""
    return creator_objects(event, 0.02, WIDTH)


class Shelf:
    """What a store has after the steps that were done."""

    def __init__(self) -> None:
        self.facets: dict[UUID, StoredObject] = {}
        self.bio: StoredObject | None = None
        self.creator: StoredObject | None = None

    def do(self, step: Step) -> None:
        """Carry a step out."""
        self.facets |= {each.id: each for each in step.facets}
        for id_ in step.gone:
            del self.facets[id_]
        self.bio = None if step.bio_gone else step.bio or self.bio
        self.creator = step.creator or self.creator

    def published(self) -> Published:
        """As it would be read back."""
        return Published(dict(self.facets), self.bio, self.creator)

    def exactly(self, wanted: CreatorObjects) -> bool:
        """Whether it is, to the last bit, what is said."""
        facets: Mapping[UUID, StoredObject] = {each.id: each for each in wanted.facets}
        same = facets.keys() == self.facets.keys()
        same = same and not any(unlike(each, self.facets[id_]) for id_, each in facets.items())
        bio = self.bio is None if wanted.bio is None else not unlike(wanted.bio, self.bio)
        return same and bio and not unlike(wanted.creator, self.creator)


def as_objects(stored: Published) -> CreatorObjects:
    """What a step says is stored."""
    assert stored.creator is not None
    return CreatorObjects(tuple(stored.facets.values()), stored.bio, stored.creator)


@given(streams())
def test_at_any_time_what_is_stored_is_within_the_thresholds_of_what_is_said(events: list[CreatorUpdated]) -> None:
    """Cosine 0.99, share 0.05, score 0.02; ids, filters, exemplars and the bio exactly; Creator says its revision."""
    shelf = Shelf()
    for event in events:
        wanted = said(event)
        step = next_step(wanted, shelf.published(), THRESHOLDS)
        shelf.do(step)
        assert shelf.facets.keys() == {each.id for each in wanted.facets}
        for each in wanted.facets:
            found = shelf.facets[each.id]
            cosine = float(np.dot(each.vectors["facet"].astype(np.float64), found.vectors["facet"]))
            assert cosine >= 0.99 - 1e-6
            assert abs(float(str(each.properties["share"])) - float(str(found.properties["share"]))) <= 0.05
            score, there = (one.properties.get("safety_alcohol") for one in (each, found))
            assert there == pytest.approx(score, abs=0.02) if score is not None else there is None
            behind_too = TRAILING | {"safety_alcohol"}
            assert {k: v for k, v in found.properties.items() if k not in behind_too} == {
                k: v for k, v in each.properties.items() if k not in behind_too
            }
            behind = event.last_published_at - found.properties["last_published_at"]  # type: ignore[operator]
            assert abs(behind) <= timedelta(days=1)
        assert (shelf.bio is None) == (wanted.bio is None)
        if wanted.bio is not None and shelf.bio is not None:
            assert shelf.bio.vectors["bio"].tobytes() == wanted.bio.vectors["bio"].tobytes()
        assert shelf.creator is not None
        assert shelf.creator.properties == wanted.creator.properties
        assert distance(shelf.creator.vectors["creator"], wanted.creator.vectors["creator"]) <= 0.01
        assert step.final == shelf.exactly(wanted)
        assert shelf.exactly(as_objects(step.after))


@given(streams(), st.data())
def test_once_settled_the_store_is_what_is_said_whatever_was_skipped_on_the_way(
    events: list[CreatorUpdated], data: st.DataObject
) -> None:
    """Some events are replaced by newer ones in their batch, some are settled in between: the end is the same."""
    shelf = Shelf()
    for event in events[:-1]:
        if data.draw(st.booleans()):
            shelf.do(next_step(said(event), shelf.published(), THRESHOLDS, exact=data.draw(st.booleans())))
    wanted = said(events[-1])
    shelf.do(next_step(wanted, shelf.published(), THRESHOLDS))
    step = next_step(wanted, shelf.published(), THRESHOLDS, exact=True)
    shelf.do(step)
    assert step.final
    assert shelf.exactly(wanted)
    nothing = next_step(wanted, shelf.published(), THRESHOLDS, exact=True)
    assert (nothing.facets, nothing.bio, nothing.creator, nothing.gone, nothing.bio_gone) == ((), None, None, (), False)


@given(streams())
def test_a_vector_that_has_hardly_moved_is_never_inserted_anew_before_the_creator_is_settled(
    events: list[CreatorUpdated],
) -> None:
    """The bytes that are there are sent again, so that HNSW is not touched."""
    shelf = Shelf()
    for event in events:
        wanted = said(event)
        before = dict(shelf.facets)
        step = next_step(wanted, shelf.published(), THRESHOLDS)
        exact = {each.id: each for each in wanted.facets}
        for each in step.facets:
            old = before.get(each.id)
            if old is not None and distance(exact[each.id].vectors["facet"], old.vectors["facet"]) <= 0.01:
                assert each.vectors["facet"].tobytes() == old.vectors["facet"].tobytes()
        shelf.do(step)


def moved_to(angle: float, share: float = 0.5, **fields: object) -> CreatorUpdated:
    """A creator of one facet that has turned, at revision 2; at 0, revision 1."""
    one = facet("c", "p", share, 0).model_copy(update={"vector": turned(0, angle)})
    return updated("c", 1 if angle == 0 else 2, facets=(one,), **fields)


def first() -> Published:
    """The creator as stored at revision 1."""
    return next_step(said(moved_to(0)), Published(), THRESHOLDS).after


def test_a_small_move_is_not_written_and_a_large_one_is_exactly() -> None:
    """0.1 radians are 0.005 of cosine distance, 0.16 are 0.013."""
    small = next_step(said(moved_to(0.1)), first(), THRESHOLDS)
    assert (small.facets, small.final) == ((), False)
    assert small.creator is not None
    wanted = said(moved_to(0.16))
    large = next_step(wanted, first(), THRESHOLDS)
    assert large.facets == wanted.facets
    assert not large.final


@pytest.mark.parametrize(
    "changed",
    [
        {"share": 0.56},
        {"profile": Profile(name="Ada", country="FR")},
        {"safety": {"alcohol": 0.5}},
        {"last_published_at": NOON + timedelta(days=2)},
    ],
)
def test_what_filters_or_shows_is_written_at_once_with_the_vector_that_is_there(changed: dict[str, object]) -> None:
    """The facet still says of which revision its vector is."""
    stored = first()
    step = next_step(said(moved_to(0.1, **changed)), stored, THRESHOLDS)  # type: ignore[arg-type]
    (written,) = step.facets
    (exact,) = said(moved_to(0.1, **changed)).facets  # type: ignore[arg-type]
    assert written.vectors["facet"].tobytes() == stored.facets[P].vectors["facet"].tobytes()
    assert written.properties == {**exact.properties, "creator_revision": 1}
    assert not step.final


def test_an_unmoved_vector_makes_the_facet_exact() -> None:
    """Byte-identical: what else changed is of the new revision, and so is the facet."""
    event = moved_to(0, 0.9).model_copy(update={"revision": 5})
    (written,) = next_step(said(event), first(), THRESHOLDS).facets
    assert written.properties["creator_revision"] == 5


def test_new_and_gone_facets_and_bios_are_not_waited_for() -> None:
    """A facet that opens, one that is merged away, a bio that is written anew or removed."""
    stored = first()
    new = facet("c", "q", 0.5, 3)
    step = next_step(said(updated("c", 2, facets=(new,), bio=vector(9))), stored, THRESHOLDS)
    assert [each.id for each in step.facets] == [facet_id("c", "q", MODEL)]
    assert step.gone == (P,)
    assert step.bio is not None
    assert next_step(said(updated("c", 3, facets=(new,), bio=None)), step.after, THRESHOLDS).bio_gone


def test_the_whole_is_written_where_it_is_asked_for() -> None:
    """An event that comes again heals what the store has lost; vectors that hardly moved stay where they are."""
    stored = first()
    step = next_step(said(moved_to(0.1)), stored, THRESHOLDS, whole=True)
    assert [each.id for each in step.facets] == [P]
    assert step.facets[0].vectors["facet"].tobytes() == stored.facets[P].vectors["facet"].tobytes()
    assert step.bio is not None
    assert step.creator is not None


def test_a_distance_of_vectors_of_any_length() -> None:
    """Of two widths it is infinite: never within a threshold."""
    one = np.array([3.0, 0.0], dtype=np.float32)
    assert distance(one, one * 2) == pytest.approx(0.0)
    assert distance(one, np.array([0.0, 1.0], dtype=np.float32)) == pytest.approx(1.0)
    assert distance(one, np.ones(3, dtype=np.float32)) == float("inf")


def test_an_object_may_wait_only_if_nothing_else_says_otherwise() -> None:
    """As verify asks it of what is stored."""
    wanted, stored = said(moved_to(0.1)).facets[0], first().facets[P]
    assert may_wait(wanted, stored, THRESHOLDS)
    assert not may_wait(said(moved_to(0.16)).facets[0], stored, THRESHOLDS)
    assert not may_wait(said(moved_to(0.1, share=0.56)).facets[0], stored, THRESHOLDS)
    exemplar = StoredObject(stored.id, {**stored.properties, "exemplar_post_id": "x"}, stored.vectors)
    assert not may_wait(wanted, exemplar, THRESHOLDS)
    assert not may_wait(wanted, StoredObject(stored.id, stored.properties), THRESHOLDS)
