"""What is stored against what must be: ``streamscout state dump`` and the oracle. Nothing extra, nothing missing."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import orjson
from PIL import Image

from tests.storm.films import is_film, scenes_of
from tests.storm.oracle import (
    Constants,
    Vectors,
    end_state,
    of_the_living,
    said_by,
    standing_posts,
    standing_profiles,
    text_of,
)
from tests.storm.safety import same
from workers.adapters.media_decode import decode, to_pixels
from workers.adapters.media_looks import brightness
from workers.adapters.triton import TritonEncoder
from workers.config import Settings
from workers.domain.events import CreatorProfiled, CreatorUpdated, Event, PostPublished
from workers.domain.filters import SAFETY_PROPERTIES, canonical_json
from workers.domain.ids import bio_object_id, creator_object_id, post_object_id, visual_id
from workers.domain.model_card import ModelCard
from workers.domain.perceptual import perceptual_hash
from workers.domain.safety.scoring import Content, PostSafety, load_scoring
from workers.domain.vectors import Array, centre
from workers.verify.lines import signal_values, update_values

TOLERANCE = 1e-3
COSINE, SHARE, SCORE = 0.99, 0.05, 0.02
"""How far facets and creators may be off at once, before their creator is settled."""
Key = tuple[str, ...]
Line = dict[str, Any]
DeadLetter = tuple[str, str, str]
"""Id, worker, reason."""


def constants(settings: Settings, card: ModelCard) -> Constants:
    """The settings that the end state depends on."""
    return Constants(
        model_version=card.model_version,
        facets=settings.fold_facets,
        join=settings.fold_join,
        half_life_days=settings.fold_half_life_days,
        window=settings.fold_window,
        caption_weight=settings.fold_caption,
        landmark=settings.landmark,
        duplicate_weight=settings.fold_duplicate,
        safety_tail=settings.safety_tail,
        signal_half_life_days=settings.signal_half_life_days,
    )


class Encoded:
    """The oracle's own vectors: each distinct picture and text through the real Triton once; texts are kept raw."""

    def __init__(self, settings: Settings, card: ModelCard) -> None:
        self._settings, self._card = settings, card
        self._scoring = load_scoring(settings.schemas_dir, settings.model_repository, card)
        self._visuals: dict[str, list[tuple[int, Array]]] = {}
        self._texts: dict[str, Array] = {}
        self.hashes: dict[str, str] = {}
        self._looks: dict[str, list[str]] = {}

    def learn(self, events: Iterable[Event]) -> None:
        """Encode what these events hold and is not known yet."""
        seen = list(events)
        posts = [event for event in seen if isinstance(event, PostPublished)]
        urls = {media.url for post in posts for media in post.media} - self._visuals.keys()
        texts = {text for post in posts for text in said_by(post)}
        texts |= {event.bio.strip() for event in seen if isinstance(event, CreatorProfiled)}
        paths = {url: Path(unquote(urlsplit(url).path)) for url in sorted(urls)}
        self.hashes |= {url: hashlib.sha256(path.read_bytes()).hexdigest() for url, path in paths.items()}
        shown = [(url, at_ms, image) for url, path in paths.items() for at_ms, image in self._shown(path)]
        asyncio.run(self._encode(shown, sorted(texts - self._texts.keys() - {""})))

    def _shown(self, path: Path) -> list[tuple[int, Image.Image]]:
        return scenes_of(path) if is_film(path) else [(0, decode(path.read_bytes(), self._settings))]

    async def _encode(self, shown: Sequence[tuple[str, int, Image.Image]], texts: Sequence[str]) -> None:
        means = self._card.centring_means
        async with TritonEncoder(str(self._settings.triton_url), self._card) as encoder:
            if shown:
                pixels = np.stack([to_pixels(image, self._card.image) for _, _, image in shown])
                vectors = centre(await encoder.encode_images(pixels), np.array(means.visual)).astype(np.float32)
                for (url, at_ms, image), vector in zip(shown, vectors, strict=True):
                    self._visuals.setdefault(url, []).append((at_ms, vector))
                    self._looks.setdefault(url, []).append(perceptual_hash(brightness(image)))
            if texts:
                self._texts |= zip(texts, await encoder.encode_texts(texts), strict=True)

    def times(self, post: PostPublished, position: int) -> list[int]:
        return [at_ms for at_ms, _ in self._visuals[post.media[position].url]]

    def visuals(self, post: PostPublished, position: int) -> list[Array]:
        return [vector for _, vector in self._visuals[post.media[position].url]]

    def looks(self, post: PostPublished) -> Sequence[str]:
        looks = [look for position in range(len(post.media)) for look in self.looks_at(post, position)]
        return looks if any(looks) else ()

    def looks_at(self, post: PostPublished, position: int) -> list[str]:
        return self._looks[post.media[position].url]

    def caption(self, post: PostPublished) -> Array | None:
        return self._centred(said_by(post))

    def bio(self, profile: CreatorProfiled) -> Array | None:
        bio = profile.bio.strip()
        return self._centred({bio: 1.0} if bio else {})

    def safety(self, post: PostPublished) -> tuple[Mapping[str, float], int]:
        scored = self.scored(post, self)
        return scored.post, scored.revision

    def scored(self, post: PostPublished, vectors: Vectors) -> PostSafety:
        """Every score of a post, by these vectors."""
        media = [vectors.visuals(post, position) for position in range(len(post.media))]
        text = text_of(post.caption, post.hashtags)
        (found,) = self._scoring.posts([Content(media, vectors.caption(post), text)])
        return found

    def _centred(self, said: Mapping[str, float]) -> Array | None:
        if not said:
            return None
        raw = sum(weight * self._texts[text].astype(np.float64) for text, weight in said.items()) / sum(said.values())
        return centre(raw, np.array(self._card.centring_means.caption)).astype(np.float32)


class Stored:
    """The vectors that are stored, where they are there: folds of them must be equal to the last bit.

    They are compared with the encoded ones by themselves, to ``TOLERANCE``.
    """

    def __init__(self, encoded: Encoded, lines: Mapping[Key, Line], model: str) -> None:
        self._encoded, self._lines, self._model = encoded, lines, model

    def visuals(self, post: PostPublished, position: int) -> list[Array]:
        return [
            self._stored(("visual", str(visual_id(post.post_id, position, ordinal, self._model))), "visual", encoded)
            for ordinal, encoded in enumerate(self._encoded.visuals(post, position))
        ]

    def looks(self, post: PostPublished) -> Sequence[str]:
        return self._encoded.looks(post)

    def caption(self, post: PostPublished) -> Array | None:
        encoded = self._encoded.caption(post)
        key = "post", str(post_object_id(post.post_id, self._model))
        return None if encoded is None else self._stored(key, "caption", encoded)

    def bio(self, profile: CreatorProfiled) -> Array | None:
        encoded = self._encoded.bio(profile)
        key = "bio", str(bio_object_id(profile.creator_id, self._model))
        return None if encoded is None else self._stored(key, "bio", encoded)

    def safety(self, post: PostPublished) -> tuple[Mapping[str, float], int]:
        scored = self.scored(post)
        return scored.post, scored.revision

    def scored(self, post: PostPublished) -> PostSafety:
        """Every score of a post, by the vectors that are stored: the embedder's own."""
        return self._encoded.scored(post, self)

    def _stored(self, key: Key, name: str, encoded: Array) -> Array:
        found = self._lines.get(key, {}).get("vectors", {}).get(name)
        return encoded if found is None or far(encoded, found) else np.asarray(found, dtype=np.float32)


def far(wanted: Array | None, found: list[float] | None) -> bool:
    """Whether two vectors differ by more than ``TOLERANCE`` anywhere; two that are not there are equal."""
    if wanted is None or found is None:
        return (wanted is None) != (found is None)
    return len(wanted) != len(found) or bool(np.abs(np.asarray(wanted) - np.asarray(found)).max() > TOLERANCE)


def keyed(data: bytes) -> dict[Key, Line]:
    """A dump's lines by kind and id; dead letters by worker and reason too."""
    lines = [orjson.loads(each) for each in data.splitlines()]
    return {key_of(line): line for line in lines}


def key_of(line: Line) -> Key:
    if line["kind"] == "dead":
        return "dead", line["id"], line["worker"], line["reason"]
    return line["kind"], line["id"]


def differences(
    data: bytes,
    events: Collection[Event],
    dead: Collection[DeadLetter],
    encoded: Encoded,
    settings: Settings,
    card: ModelCard,
    settled: bool = True,
) -> list[str]:
    """A line for each way in which a dump is not what these good events, and these bad records, must lead to.

    Before creators are ``settled`` their facets need only be near, and may be of an older revision.
    """
    lines, model = keyed(data), card.model_version
    living = of_the_living(events)
    standing: list[Event] = [*standing_posts(living).values(), *standing_profiles(living, model).values()]
    encoded.learn(standing)
    stored = Stored(encoded, lines, model)
    state = end_state(events, stored, constants(settings, card))
    expected: dict[Key, Line] = {("dead", *letter): {} for letter in dead}
    for post in state.posts.values():
        expected |= _post_lines(post, encoded, stored, model)
    for update in state.updates.values():
        expected["update", update.creator_id] = orjson.loads(
            orjson.dumps(update_values(update), option=orjson.OPT_SERIALIZE_NUMPY)
        )
        expected |= _creator_lines(update, settings.facet_min_share)
    for signal in state.signals.values():
        expected["signal", signal.key()] = orjson.loads(orjson.dumps(signal_values(signal)))
    found = [f"missing: {' '.join(key)}" for key in sorted(expected.keys() - lines.keys())]
    found += [f"extra: {' '.join(key)} {_short(lines[key])}" for key in sorted(lines.keys() - expected.keys())]
    for key in sorted(expected.keys() & lines.keys()):
        differ = _unlike if settled or key[0] not in ("facet", "creator", "bio") else _far_off
        found += [f"{' '.join(key)}: {each}" for each in differ(expected[key], lines[key])]
    return found


def _post_lines(post: Event, encoded: Encoded, stored: Stored, model: str) -> dict[Key, Line]:
    """The post's object and its visuals'; of a removed one the tombstone."""
    assert hasattr(post, "post_id")
    object_id = str(post_object_id(post.post_id, model))
    common = {"post_id": post.post_id, "creator_id": post.creator_id, "revision": post.revision}
    if not isinstance(post, PostPublished):
        return {("post", object_id): {**common, "removed": True, "visuals": 0, "vectors": {}}}
    caption = encoded.caption(post)
    vectors = {} if caption is None else {"caption": caption}
    times = [encoded.times(post, position) for position in range(len(post.media))]
    own = {**common, "removed": False, "caption": post.caption, "visuals": sum(map(len, times)), "vectors": vectors}
    own["frames"] = [" ".join(map(str, each)) for each in times]
    scored = stored.scored(post)
    by = {"safety_revision": scored.revision or None}
    own |= by | {"safety_json": _scores(scored, scored.post), "caption_safety_json": _scores(scored, scored.caption)}
    lines: dict[Key, Line] = {("post", object_id): own}
    for position, media in enumerate(post.media):
        for ordinal, vector in enumerate(encoded.visuals(post, position)):
            lines["visual", str(visual_id(post.post_id, position, ordinal, model))] = {
                **common,
                "position": position,
                "timestamp_ms": times[position][ordinal],
                "media_hash": encoded.hashes[media.url],
                "perceptual_hash": encoded.looks_at(post, position)[ordinal],
                **by,
                "safety_json": _scores(scored, scored.visuals[position][ordinal]),
                "vectors": {"visual": vector},
            }
    return lines


def _scores(scored: PostSafety, scores: Mapping[str, float]) -> str | None:
    """As an object keeps them; None where nothing is ever scored."""
    return canonical_json(dict(scores)) if scored.revision else None


def _creator_lines(update: CreatorUpdated, min_share: float) -> dict[Key, Line]:
    """The Creator's object, its Facets' and its Bio's."""
    common: Line = {"creator_id": update.creator_id, "revision": update.revision}
    common |= {name: update.safety.get(category) for category, name in SAFETY_PROPERTIES.items()}
    floats = {
        name: np.frombuffer(data, "<f4")
        for name, data in (("creator", update.recency_mean), ("bio", update.bio))
        if data
    }
    creator = {**common, "posts": update.posts, "vectors": {k: v for k, v in floats.items() if k == "creator"}}
    lines: dict[Key, Line] = {("creator", str(creator_object_id(update.creator_id, update.model_version))): creator}
    if "bio" in floats:
        bio_id = str(bio_object_id(update.creator_id, update.model_version))
        lines["bio", bio_id] = {**common, "vectors": {"bio": floats["bio"]}}
    for facet in update.facets:
        if facet.share >= min_share:
            lines["facet", facet.facet_id] = {
                **common,
                "share": facet.share,
                "posts": facet.posts,
                "exemplar_post_id": facet.exemplar_post_id,
                "vectors": {"facet": np.frombuffer(facet.vector, "<f4")},
            }
    return lines


def _unlike(expected: Line, line: Line) -> list[str]:
    """What is expected, against the same names of the line; vectors by themselves."""
    found = [
        f"{name} is {_short(line.get(name))}, must be {_short(value)}"
        for name, value in expected.items()
        if name != "vectors" and not (same(value, line.get(name)) if "safety" in name else line.get(name) == value)
    ]
    if "vectors" in expected:
        wanted, there = expected["vectors"], line["vectors"]
        names = sorted({*wanted, *there})
        found += [f"vector {name} differs" for name in names if far(wanted.get(name), there.get(name))]
    return found


def _far_off(expected: Line, line: Line) -> list[str]:
    """The same of an object of the indexer's whose creator may not be settled yet."""
    behind = {"vectors", "share", "posts", "revision"} if line["kind"] != "creator" else {"vectors"}
    scores = [name for name in expected if name.startswith("safety_") and line["kind"] != "creator"]
    near = {name for name in scores if _score_near(expected[name], line.get(name))}
    found = _unlike({name: value for name, value in expected.items() if name not in behind | near}, line)
    if abs(expected.get("share", 0.0) - line.get("share", 0.0)) > SHARE:
        found.append(f"share is {line.get('share')}, must be near {expected['share']}")
    for name in sorted({*expected["vectors"], *line["vectors"]}):
        wanted, there = expected["vectors"].get(name), line["vectors"].get(name)
        if wanted is None or there is None or not _near(np.asarray(wanted, float), np.asarray(there, float)):
            found.append(f"vector {name} is far off")
    return found


def _score_near(one: Any, other: Any) -> bool:
    return isinstance(one, float) and isinstance(other, float | int) and abs(one - other) <= SCORE


def _near(one: Array, other: Array) -> bool:
    return len(one) == len(other) and float(one @ other) >= COSINE * float(np.linalg.norm(one) * np.linalg.norm(other))


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) < 300 else f"{text[:300]}..."
