"""Posts and their visuals against each other, and against the rows that the creators worker keeps of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import cast
from uuid import UUID

from workers.creators.facets import FoldSettings
from workers.creators.rows import PostRow, post_row
from workers.domain.ids import post_object_id
from workers.domain.media import MOST_KEYFRAMES
from workers.domain.safety.scoring import NEVER, Scoring
from workers.domain.stored import StoredObject
from workers.embedder.events_out import stored_announced
from workers.embedder.objects import (
    MAX_MEDIA,
    expected_visual,
    read_post,
    stored_frames,
    stored_places,
    stored_visual_ids,
)
from workers.embedder.plan import StoredPost
from workers.embedder.scores import stored_content, stored_scores, wrong_scores
from workers.verify.differences import TOLERANCE, Difference, What, farthest, unlike_properties

_NEEDED = ("post_id", "creator_id", "revision", "removed")


@dataclass(frozen=True, slots=True)
class PostFound:
    """A stored post: what is wrong about it and its visuals, and the row that follows from it.

    ``whole``: its visuals are its own, so that the row's vector can be told from them. ``scored``: its safety scores
    are what they must be, so that the row's can.
    """

    creator_id: str
    post_id: str
    differences: tuple[Difference, ...]
    row: PostRow | None
    whole: bool
    scored: bool = True

    def encode(self) -> bytes:
        """The row and whether its vector and its scores count, for ``compare_row``; nothing where no row is known."""
        return b"" if self.row is None else bytes([self.whole | self.scored << 1]) + self.row.encode()


def wrong_from_the_start(post: StoredObject, model_version: str) -> str | None:
    """Why an object of ``Post`` is none that the embedder writes; None for one that it may have written."""
    properties = post.properties
    lacking = [name for name in _NEEDED if name not in properties]
    if lacking:
        return f"without {', '.join(lacking)}"
    if post.id != post_object_id(str(properties["post_id"]), model_version):
        return f"not under the id of {properties['post_id']!r}"
    if not 0 <= int(cast("int", properties.get("visuals", 0))) <= MAX_MEDIA * MOST_KEYFRAMES:
        return f"with {properties['visuals']} pictures"
    return None


def compare_post(
    post: StoredObject, visuals: Mapping[UUID, StoredObject], fold: FoldSettings, scoring: Scoring
) -> PostFound:
    """A post, or tombstone, that is not ``wrong_from_the_start``, with those of its visuals that are there."""
    creator_id, post_id = str(post.properties["creator_id"]), str(post.properties["post_id"])
    differences = list(_visuals(post, visuals, fold.model_version))
    whole = not differences
    row = None
    counted, named = post.properties.get("visuals", 0), cast("list[str]", post.properties.get("media_hashes", []))
    frames = stored_frames(post)
    try:
        read = read_post(post, visuals, fold.model_version)
        row = post_row(stored_announced(read, fold.model_version), fold.caption_weight, fold.dimensions)
        wrong = [] if len(frames) == len(named) else [f"it names {len(named)} media and has frames of {len(frames)}"]
        if counted != sum(map(len, frames)):
            wrong.append(f"it names {sum(map(len, frames))} visuals and counts {counted}")
    except (ValueError, KeyError) as error:
        wrong = [str(error)]
    else:
        differences += _scores(read, post, scoring) if whole and not wrong else []
    scored = not any(each.kind == "safety" for each in differences)
    if wrong:
        differences.append(Difference("drifted", "post", str(post.id), creator_id, "; ".join(wrong), post_id))
    return PostFound(creator_id, post_id, tuple(differences), row, whole and not wrong, scored)


def compare_row(
    creator_id: str, post_id: str, expected: bytes | None, stored: bytes | None, model_version: str
) -> Difference | None:
    """The row of a post as its ``PostFound`` tells it against the creators worker's; one of the two may be missing."""
    uuid, row_id = str(post_object_id(post_id, model_version)), f"{creator_id}/{post_id}"
    if stored is None:
        if expected == b"":
            return None
        return Difference("missing", "row", row_id, creator_id, "the post is stored, its row is not", post_id)
    try:
        row = PostRow.decode(stored)
    except ValueError as error:
        return Difference("drifted", "row", row_id, creator_id, str(error), post_id)
    if expected is None:
        detail = f"its row says {_said(row)}"
        return Difference("missing", "post", uuid, creator_id, detail, post_id)
    if not expected:
        return None
    whole, scored, wanted = bool(expected[0] & 1), bool(expected[0] & 2), PostRow.decode(expected[1:])
    if not scored:
        # Found, and mended, by themselves: the row follows.
        wanted = replace(wanted, scores=row.scores, safety_revision=row.safety_revision)
    if row.rank() > wanted.rank():
        detail = f"{_said(wanted)}, its row says {_said(row)}"
        return Difference("stale", "post", uuid, creator_id, detail, post_id)
    if row.rank() < wanted.rank():
        detail = f"{_said(row)}, the post says {_said(wanted)}"
        return Difference("stale", "row", row_id, creator_id, detail, post_id)
    if row.safety_revision != wanted.safety_revision:
        detail = f"scored by revision {wanted.safety_revision}, its row by {row.safety_revision}"
        if row.safety_revision > wanted.safety_revision:
            return Difference("stale", "post", uuid, creator_id, detail, post_id)
        return Difference("stale", "row", row_id, creator_id, detail, post_id)
    if whole and (wrong := _unlike(wanted, row)):
        return Difference("drifted", "post", uuid, creator_id, f"not what its row says: {wrong}", post_id)
    return None


def _scores(stored: StoredPost, post: StoredObject, scoring: Scoring) -> list[Difference]:
    """Whether the post and its visuals have the scores that their vectors and words lead to now."""
    revision = stored_scores(post.properties)[1]
    if scoring.revision == NEVER or not stored.whole() or revision > scoring.revision:
        return []
    (safety,) = scoring.posts([stored_content(stored)])
    if not (wrong := wrong_scores(stored, safety)):
        return []
    detail = f"safety scores of {', '.join(wrong)}: not those of revision {scoring.revision}"
    what: What = "stale" if revision < scoring.revision else "drifted"
    return [Difference(what, "safety", str(post.id), stored.creator_id, detail, stored.post_id)]


def _unlike(wanted: PostRow, row: PostRow) -> str:
    if wanted.published_ms != row.published_ms:
        return f"published_ms {wanted.published_ms} instead of {row.published_ms}"
    if wanted.hashes and wanted.hashes != row.hashes:
        return "other perceptual hashes"
    if wanted.scores != row.scores:
        return "other safety scores"
    if (wanted.x is None) != (row.x is None):
        return "vectors where there must be none" if row.x is None else "no vectors"
    if wanted.x is None or row.x is None:
        return ""
    distance = farthest(wanted.x, row.x)
    return f"vectors off by {distance:.3g}" if distance > TOLERANCE else ""


def _said(row: PostRow) -> str:
    return f"{'removed at ' if row.removed else ''}revision {row.revision}"


def _visuals(post: StoredObject, visuals: Mapping[UUID, StoredObject], model_version: str) -> Iterator[Difference]:
    creator_id, post_id = str(post.properties["creator_id"]), str(post.properties["post_id"])
    for (position, ordinal), id_ in zip(stored_places(post), stored_visual_ids(post, model_version), strict=True):
        where = f"picture {position}{f', keyframe {ordinal}' if ordinal else ''} of {post_id}"
        visual = visuals.get(id_)
        if visual is None:
            yield Difference("missing", "visual", str(id_), creator_id, where, post_id)
            continue
        expected = expected_visual(post, position, ordinal)
        wrong = list(unlike_properties(expected, visual.properties))
        if "visual" not in visual.vectors:
            wrong.append("vector visual: missing")
        if wrong:
            older = cast("int", visual.properties.get("revision", 0)) < cast("int", expected["revision"])
            detail = f"{where}: {'; '.join(wrong)}"
            yield Difference("stale" if older else "drifted", "visual", str(id_), creator_id, detail, post_id)
