"""Ids as functions of natural keys (law 6): writing a thing twice writes it once."""

from __future__ import annotations

from uuid import UUID, uuid5

STREAMSCOUT = UUID("9d1c5f0a-6f5c-5b0e-9a53-6f1d0c1f2b77")
"""The namespace under which every uuid5 of Streamscout stands."""


def _id(kind: str, *parts: str) -> UUID:
    """uuid5 of a kind and its parts; the unit separator cannot occur in an id, so parts never run together."""
    return uuid5(STREAMSCOUT, "\x1f".join((kind, *parts)))


def visual_id(post_id: str, position: int, ordinal: int, model_version: str) -> UUID:
    """A picture, 0, or a video's keyframe of a post: the first, 0, the second, 1, and so on, whenever they are shown.

    So the ids of all visuals that a post may ever have had are known without asking what they were.
    """
    return _id("visual", post_id, str(position), str(ordinal), model_version)


def post_object_id(post_id: str, model_version: str) -> UUID:
    """A post, or its tombstone."""
    return _id("post", post_id, model_version)


def facet_id(creator_id: str, post_id: str, model_version: str) -> UUID:
    """A facet, named after the post that opened it."""
    return _id("facet", creator_id, post_id, model_version)


def creator_object_id(creator_id: str, model_version: str) -> UUID:
    """A creator."""
    return _id("creator", creator_id, model_version)


def standing_id(creator_hash: str, model_version: str) -> UUID:
    """A creator's standing with the embedder of a model version, by the keyed hash of its id."""
    return _id("standing", creator_hash, model_version)


def bio_object_id(creator_id: str, model_version: str) -> UUID:
    """A creator's bio."""
    return _id("bio", creator_id, model_version)


def dead_letter_id(topic_id: str, partition: int, offset: int) -> UUID:
    """A dead letter: its first topic, partition and offset, which every copy carries in its headers (law 4)."""
    return _id("dead", topic_id, str(partition), str(offset))


def published_id(topic: str, type_name: str, data: bytes) -> UUID:
    """The CloudEvents id of an event published without one: of its topic, type and canonical data."""
    return _id("published", topic, type_name, data.decode())


def signal_id(brand_id: str, creator_id: str, content: str) -> UUID:
    """A signal as a CloudEvent: the same statistics are the same event."""
    return _id("signal", brand_id, creator_id, content)
