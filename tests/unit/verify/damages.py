"""What can be done to a world behind its owners' backs, and what verify must say of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import numpy as np

from tests.unit.embedder.conftest import MODEL, WIRE
from tests.unit.verify.world import World
from workers.creators.rows import post_key
from workers.domain.ids import bio_object_id, creator_object_id, post_object_id, visual_id
from workers.domain.stored import StoredObject
from workers.wire.records import OutRecord

FOREIGN = UUID(int=7)
Seen = tuple[str, str, str]


def change(world: World, collection: str, id_: UUID, to: UUID | None = None, **properties: Any) -> None:
    """An object with other properties, or such an object beside it."""
    found = world.store.all(collection)[id_]
    world.store.all(collection)[to or id_] = StoredObject(
        to or id_, {**found.properties, **properties}, dict(found.vectors)
    )


def turn(world: World, collection: str, id_: UUID) -> None:
    """An object with another vector."""
    found = world.store.all(collection)[id_]
    vectors = {name: np.roll(vector, 1) for name, vector in found.vectors.items()}
    world.store.all(collection)[id_] = replace(found, vectors=vectors)


def facet_of(world: World, creator_id: str) -> UUID:
    """One of a creator's facets."""
    return UUID(world.said(creator_id).facets[0].facet_id)


def visual_gone(world: World) -> set[Seen]:
    """A picture is missing."""
    del world.store.all("Visual")[visual_id("p0", 1, 0, MODEL)]
    return {("missing", "visual", str(visual_id("p0", 1, 0, MODEL)))}


def visual_foreign(world: World) -> set[Seen]:
    """A picture of a post that was never there."""
    change(world, "Visual", visual_id("p0", 0, 0, MODEL), FOREIGN, post_id="nobody's")
    return {("extra", "visual", str(FOREIGN))}


def visual_surplus(world: World) -> set[Seen]:
    """A picture beyond the count of an edited post."""
    surplus = visual_id("p4", 0, 0, MODEL)
    change(world, "Visual", visual_id("p0", 0, 0, MODEL), surplus, post_id="p4", creator_id="c4")
    return {("extra", "visual", str(surplus))}


def visual_other_field(world: World) -> set[Seen]:
    """A picture says another platform than its post."""
    change(world, "Visual", visual_id("p1", 0, 0, MODEL), platform="elsewhere")
    return {("drifted", "visual", str(visual_id("p1", 0, 0, MODEL)))}


def visual_older(world: World) -> set[Seen]:
    """A picture of an older revision."""
    change(world, "Visual", visual_id("p3", 0, 0, MODEL), revision=1)
    return {("stale", "visual", str(visual_id("p3", 0, 0, MODEL)))}


def keyframe_gone(world: World) -> set[Seen]:
    """The last keyframe of a video is missing."""
    del world.store.all("Visual")[visual_id("p21", 1, 2, MODEL)]
    return {("missing", "visual", str(visual_id("p21", 1, 2, MODEL)))}


def keyframe_at_another_time(world: World) -> set[Seen]:
    """A keyframe says that it is shown when it is not."""
    change(world, "Visual", visual_id("p21", 1, 1, MODEL), timestamp_ms=699)
    return {("drifted", "visual", str(visual_id("p21", 1, 1, MODEL)))}


def keyframe_surplus(world: World) -> set[Seen]:
    """A keyframe beyond those of its video."""
    surplus = visual_id("p10", 1, 3, MODEL)
    change(world, "Visual", visual_id("p10", 1, 2, MODEL), surplus, timestamp_ms=2100)
    return {("extra", "visual", str(surplus))}


def frames_lost(world: World) -> set[Seen]:
    """A post has forgotten that one of its media is a video."""
    change(world, "Post", post_object_id("p28", MODEL), frames=["0", "when it is shown"])
    lost = [visual_id("p28", position, ordinal, MODEL) for position, ordinal in ((0, 0), (1, 0), (1, 1), (1, 2))]
    return {("drifted", "post", str(post_object_id("p28", MODEL)))} | {("extra", "visual", str(id_)) for id_ in lost}


def visual_turned(world: World) -> set[Seen]:
    """A picture has another vector: the post is not what its row says."""
    turn(world, "Visual", visual_id("p2", 0, 0, MODEL))
    return {("drifted", "post", str(post_object_id("p2", MODEL)))}


def visual_looks_otherwise(world: World) -> set[Seen]:
    """A picture has another perceptual hash: the post is not what its row says."""
    change(world, "Visual", visual_id("p2", 0, 0, MODEL), perceptual_hash="f0" * 18)
    return {("drifted", "post", str(post_object_id("p2", MODEL)))}


def caption_turned(world: World) -> set[Seen]:
    """A caption has another vector."""
    turn(world, "Post", post_object_id("p8", MODEL))
    return {("drifted", "post", str(post_object_id("p8", MODEL)))}


def post_gone(world: World) -> set[Seen]:
    """A post is missing; its pictures are not called extra."""
    del world.store.all("Post")[post_object_id("p7", MODEL)]
    return {("missing", "post", str(post_object_id("p7", MODEL)))}


def tombstone_gone(world: World) -> set[Seen]:
    """So is what was left of a removed one."""
    del world.store.all("Post")[post_object_id("p5", MODEL)]
    return {("missing", "post", str(post_object_id("p5", MODEL)))}


def post_foreign(world: World) -> set[Seen]:
    """A post lies under an id that is not its own."""
    change(world, "Post", post_object_id("p9", MODEL), FOREIGN)
    return {("extra", "post", str(FOREIGN))}


def post_stale(world: World) -> set[Seen]:
    """An old write landed late: a post without pictures, so that nothing else tells."""
    change(world, "Post", post_object_id("p6", MODEL), revision=0)
    return {("stale", "post", str(post_object_id("p6", MODEL)))}


def row_gone(world: World) -> set[Seen]:
    """The changelog has lost a row."""
    world.send(OutRecord("creators.changelog", post_key("c4", "p10"), None))
    return {("missing", "row", "c4/p10"), ("drifted", "update", "c4")}


def update_gone(world: World) -> set[Seen]:
    """Nothing is said of a creator any more, and the indexer has believed it."""
    world.send(WIRE.tombstone("creators", "c5"))
    return {("missing", "update", "c5")}


def update_foreign(world: World) -> set[Seen]:
    """Something is said of a creator who is nobody."""
    ghost = world.said("c3").model_copy(update={"creator_id": "ghost", "facets": ()})
    world.publish("creators", ghost)
    return {("extra", "update", "ghost")}


def facet_foreign(world: World) -> set[Seen]:
    """A facet that nothing asks for."""
    change(world, "Facet", facet_of(world, "c0"), FOREIGN)
    return {("extra", "facet", str(FOREIGN))}


def facet_turned(world: World) -> set[Seen]:
    """A facet has another vector."""
    turn(world, "Facet", facet_of(world, "c0"))
    return {("drifted", "facet", str(facet_of(world, "c0")))}


def facet_older(world: World) -> set[Seen]:
    """A facet of an older revision."""
    change(world, "Facet", facet_of(world, "c3"), creator_revision=1)
    return {("stale", "facet", str(facet_of(world, "c3")))}


def creator_ahead(world: World) -> set[Seen]:
    """A creator claims a revision that nobody has said."""
    change(world, "Creator", creator_object_id("c3", MODEL), revision_exact="99", revision=99)
    return {("drifted", "creator", str(creator_object_id("c3", MODEL)))}


def creator_gone(world: World) -> set[Seen]:
    """A creator is missing."""
    del world.store.all("Creator")[creator_object_id("c2", MODEL)]
    return {("missing", "creator", str(creator_object_id("c2", MODEL)))}


def bio_gone(world: World) -> set[Seen]:
    """A bio is missing."""
    del world.store.all("Bio")[bio_object_id("c0", MODEL)]
    return {("missing", "bio", str(bio_object_id("c0", MODEL)))}


def signal_gone(world: World) -> set[Seen]:
    """A signal is missing."""
    world.send(WIRE.tombstone("signals", "b1|c1"))
    return {("missing", "signal", "b1|c1")}


def signal_older(world: World) -> set[Seen]:
    """A signal of fewer facts stands last."""
    world.send(OutRecord(*_first(world, "signals", b"b1|c1")))
    return {("stale", "signal", "b1|c1")}


def signal_foreign(world: World) -> set[Seen]:
    """A signal of a pair without facts."""
    key, value, headers = _first(world, "signals", b"b1|c1")[1:]
    changed = (value or b"").replace(b'"c1"', b'"c9"')
    world.send(OutRecord("signals", key.replace(b"c1", b"c9"), changed, headers))
    return {("extra", "signal", "b1|c9")}


def _first(world: World, topic: str, key: bytes) -> tuple[str, bytes, bytes | None, Any]:
    record = next(record for record in world.records[topic] if record.key == key)
    return topic, key, record.value, record.headers


def visual_scored_otherwise(world: World) -> set[Seen]:
    """A picture is said to show no weapon."""
    change(world, "Visual", visual_id("p14", 0, 0, MODEL), safety_json='{"weapons":0.0}')
    return {("drifted", "safety", str(post_object_id("p14", MODEL)))}


def post_scored_otherwise(world: World) -> set[Seen]:
    """A post's own scores cannot be read: they are as good as never made."""
    change(world, "Post", post_object_id("p15", MODEL), safety_json="{")
    return {("stale", "safety", str(post_object_id("p15", MODEL)))}


def scores_older(world: World) -> set[Seen]:
    """A post was scored by an older calibration."""
    change(world, "Post", post_object_id("p16", MODEL), safety_revision=0)
    return {("stale", "safety", str(post_object_id("p16", MODEL)))}


DAMAGES: tuple[Callable[[World], set[Seen]], ...] = (
    visual_gone,
    visual_foreign,
    visual_surplus,
    visual_other_field,
    visual_older,
    keyframe_gone,
    keyframe_at_another_time,
    keyframe_surplus,
    frames_lost,
    visual_turned,
    visual_looks_otherwise,
    caption_turned,
    visual_scored_otherwise,
    post_scored_otherwise,
    scores_older,
    post_gone,
    tombstone_gone,
    post_foreign,
    post_stale,
    row_gone,
    update_gone,
    update_foreign,
    facet_foreign,
    facet_turned,
    facet_older,
    creator_ahead,
    creator_gone,
    bio_gone,
    signal_foreign,
)
SIGNALS = (signal_gone, signal_older)
