"""Safety scores of posts: of new ones, of stored ones again, and as their objects keep them.

A post's scores lie in its objects beside the vectors they were made of, so that they are made anew of what is stored.
The objects are written whole with the byte-identical vectors, which leaves the index as it is (design, section 4).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import cast

from workers.domain.filters import canonical_json
from workers.domain.safety.prompts import SafetyError
from workers.domain.safety.scoring import NEVER, Content, PostSafety, Scoring
from workers.domain.stored import PropertyValue, StoredObject
from workers.domain.vectors import Array
from workers.embedder.content import text_of
from workers.embedder.plan import Keyframes, Republish, Rescore, StoredPost

Properties = Mapping[str, PropertyValue]
SCORES, CAPTION_SCORES, REVISION = "safety_json", "caption_safety_json", "safety_revision"
NAMES = (SCORES, CAPTION_SCORES, REVISION)


def content(media: Sequence[Keyframes], caption: Array | None, said: str, hashtags: Sequence[str]) -> Content:
    """What is scored of a post. Alt texts enter by the caption's vector alone: they are not kept as words."""
    return Content([[each.vector for each in keyframes] for keyframes in media], caption, text_of(said, hashtags))


def visual_properties(safety: PostSafety | None, position: int, ordinal: int) -> dict[str, PropertyValue]:
    """What a visual keeps of its own scores; nothing where nothing is ever scored."""
    if safety is None or safety.revision == NEVER:
        return {}
    return {SCORES: canonical_json(dict(safety.visuals[position][ordinal])), REVISION: safety.revision}


def post_properties(safety: PostSafety | None) -> dict[str, PropertyValue]:
    """What a post keeps: the greatest of all, and its caption's own."""
    if safety is None or safety.revision == NEVER:
        return {}
    own: dict[str, PropertyValue] = {SCORES: canonical_json(dict(safety.post)), REVISION: safety.revision}
    return own | {CAPTION_SCORES: canonical_json(dict(safety.caption))}


def stored_scores(properties: Properties) -> tuple[dict[str, float], int]:
    """A stored post's scores and their revision; none where that cannot be read: it is scored again then."""
    try:
        scores: dict[str, float] = json.loads(str(properties[SCORES]))
        return scores, int(cast("int", properties[REVISION]))
    except (KeyError, ValueError):
        return {}, NEVER


def stored_content(stored: StoredPost) -> Content:
    """What is scored of a whole stored post."""
    said = stored.object.properties if stored.object else {}
    hashtags = cast("list[str]", said.get("hashtags", []))
    media = [stored.own(position) for position in range(len(stored.media_hashes))]
    return content(media, stored.caption, str(said.get("caption", "")), hashtags)


def rescored_visuals(stored: StoredPost, safety: PostSafety) -> list[StoredObject]:
    """The visuals of a whole stored post with these scores, and with all else that they say."""
    places = sorted(stored.visuals)
    return [
        _with(each, visual_properties(safety, *place))
        for place in places
        if (each := stored.visuals[place].object) is not None
    ]


def rescored_post(stored: StoredPost, safety: PostSafety) -> StoredObject:
    """The post's own object, likewise."""
    assert stored.object is not None
    return _with(stored.object, post_properties(safety))


def wrong_scores(stored: StoredPost, safety: PostSafety) -> list[str]:
    """Which of a whole stored post's objects do not say these scores: ``post``, or a visual's position and ordinal."""
    wrong = [] if stored.object is None or _says(stored.object, post_properties(safety)) else ["post"]
    for place in sorted(stored.visuals):
        visual = stored.visuals[place].object
        if visual is not None and not _says(visual, visual_properties(safety, *place)):
            wrong.append(f"visual {place[0]}.{place[1]}")
    return wrong


class Scorer:
    """Scores what is embedded and what is stored. ``load`` reads the scoring anew: for whoever asks for a newer one."""

    def __init__(self, load: Callable[[], Scoring]) -> None:
        self._load = load
        self._scoring = load()

    @property
    def revision(self) -> int:
        """Of the scoring in use."""
        return self._scoring.revision

    def reaches(self, revision: int) -> str:
        """Make sure that the scoring is of this revision or a newer one; why that cannot be, or nothing."""
        if self._scoring.revision >= revision:
            return ""
        try:
            self._scoring = self._load()
        except SafetyError as error:
            return str(error)
        if self._scoring.revision >= revision:
            return ""
        return f"safety.json here is of revision {self._scoring.revision}, not {revision}"

    def score(self, posts: Sequence[Content]) -> list[PostSafety]:
        """Of new posts."""
        return self._scoring.posts(posts)

    def again(self, plans: Sequence[Republish]) -> list[Republish | Rescore]:
        """In place of repeating what is stored, scores that are older or wrong are written anew; newer ones stay."""
        if self.revision == NEVER:
            return list(plans)
        old = [p.stored for p in plans if p.stored and p.stored.whole() and _revision(p.stored) <= self.revision]
        scored = self._scoring.posts([stored_content(each) for each in old])
        wrong = {
            id(stored): Rescore(stored, safety)
            for stored, safety in zip(old, scored, strict=True)
            if wrong_scores(stored, safety)
        }
        return [wrong.get(id(each.stored), each) for each in plans]


def _revision(stored: StoredPost) -> int:
    return stored_scores(stored.object.properties)[1] if stored.object else NEVER


def _says(stored: StoredObject, wanted: Properties) -> bool:
    return {name: stored.properties[name] for name in NAMES if name in stored.properties} == dict(wanted)


def _with(stored: StoredObject, safety: Properties) -> StoredObject:
    kept = {name: value for name, value in stored.properties.items() if name not in NAMES}
    return replace(stored, properties={**kept, **safety})
