"""Facts about a creator, one table row each: posts, the profile, and the creator's standing (``wire.standing``).

A row is a fact with a revision; of two rows of the same thing the newer stays, whichever came first, so that the set of
rows is a function of the set of events. Everything else about a creator is computed from these rows.

Keys: ``creator_id \\0 kind [post_id]``. Ids hold no control characters, so no creator's prefix runs into another's. A
standing, which stays when its creator is erased, lies under the creator's keyed hash: ``\\0 kind hash``.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import orjson

from workers.domain.events import Event, PostEmbedded, PostRetracted, Profile, ProfileEmbedded
from workers.domain.parse import canonical_data
from workers.domain.perceptual import HASH_BYTES
from workers.domain.vectors import Array, from_bytes, unit

POST = b"p"
PROFILE = b"i"
STANDING = b"s"

_FORMAT, _WITH_HASHES, _WITH_SAFETY = 1, 2, 3
_POST = struct.Struct("<BBQq8s")
_COUNT = struct.Struct("<H")
_SAFETY = struct.Struct("<QB")
_SCORE = struct.Struct("<d")
_PLAIN = bytes(HASH_BYTES)
_REMOVED, _VECTOR = 1, 2
_STORED = np.dtype("<f2")
_PROFILE_BYTES, _WORD_BYTES = 1600, 120


@dataclass(frozen=True, slots=True)
class PostRow:
    """A post of a creator.

    A removed post keeps its revision alone: a removal may arrive before its publication, and then there is no date to
    keep. ``published_ms`` is Unix time; ``x`` the post's vector, float16 of shape (d,), None where there is nothing to
    embed; ``tie`` decides between two publications of equal revision; ``hashes`` say how each of its visuals looks
    (``domain.perceptual``), where that is known. ``scores`` are its safety probabilities by category, in the order of
    their names, as the scoring of ``safety_revision`` has them.
    """

    revision: int
    removed: bool = False
    published_ms: int = 0
    tie: bytes = bytes(8)
    x: Array | None = None
    hashes: tuple[str, ...] = ()
    scores: tuple[tuple[str, float], ...] = ()
    safety_revision: int = 0

    def rank(self) -> tuple[int, bool, bytes]:
        """Of two rows of one post the greater rank stays: newer revision, then removal, then the greater hash."""
        return (self.revision, self.removed, self.tie)

    def detail(self) -> tuple[int, int, tuple[tuple[str, float], ...]]:
        """Of two rows of one rank the one with more detail stays: the later scoring, else more hashes.

        A row of before there were hashes has none. The scores themselves decide last, so that two answers of a model
        to one question leave one row in any order.
        """
        return (self.safety_revision, len(self.hashes), self.scores)

    def encode(self) -> bytes:
        flags = (_REMOVED if self.removed else 0) | (_VECTOR if self.x is not None else 0)
        # As ever where there are no scores, or no hashes: the same row is the same bytes.
        scored = bool(self.scores or self.safety_revision)
        form = _WITH_SAFETY if scored else _WITH_HASHES if self.hashes else _FORMAT
        head = _POST.pack(form, flags, self.revision, self.published_ms, self.tie)
        if scored:
            head += _safety_bytes(self)
        if self.hashes or scored:
            head += _COUNT.pack(len(self.hashes)) + b"".join(bytes.fromhex(each) or _PLAIN for each in self.hashes)
        return head if self.x is None else head + np.ascontiguousarray(self.x, dtype=_STORED).tobytes()

    @classmethod
    def decode(cls, data: bytes) -> PostRow:
        """Raises ValueError for bytes that no ``encode`` made."""
        if len(data) < _POST.size or data[0] not in (_FORMAT, _WITH_HASHES, _WITH_SAFETY):
            raise ValueError(f"not a post's row: {data[:32].hex()}")
        form, flags, revision, published_ms, tie = _POST.unpack_from(data)
        scores, safety_revision, end = _safety(data) if form == _WITH_SAFETY else ((), 0, _POST.size)
        hashes, end = _hashes(data, end, form == _WITH_HASHES) if form != _FORMAT else ((), end)
        x = np.frombuffer(data, dtype=_STORED, offset=end) if flags & _VECTOR else None
        return cls(revision, bool(flags & _REMOVED), published_ms, tie, x, hashes, scores, safety_revision)


def _safety_bytes(row: PostRow) -> bytes:
    names = [name.encode() for name, _ in row.scores]
    return _SAFETY.pack(row.safety_revision, len(names)) + b"".join(
        _COUNT.pack(len(name)) + name + _SCORE.pack(score) for name, (_, score) in zip(names, row.scores, strict=True)
    )


def _safety(data: bytes) -> tuple[tuple[tuple[str, float], ...], int, int]:
    """A row's scores and their revision, and where they end."""
    scores = []
    try:
        revision, count = _SAFETY.unpack_from(data, _POST.size)
        end = _POST.size + _SAFETY.size
        for _ in range(count):
            length = _COUNT.unpack_from(data, end)[0]
            name = data[end + _COUNT.size : end + _COUNT.size + length]
            end += _COUNT.size + length
            scores.append((name.decode(), _SCORE.unpack_from(data, end)[0]))
            end += _SCORE.size
    except struct.error as error:
        raise ValueError(f"a post's row whose scores are cut off: {data[:32].hex()}") from error
    return tuple(scores), revision, end


def _hashes(data: bytes, at: int, some: bool) -> tuple[tuple[str, ...], int]:
    """A row's hashes, which begin ``at`` with their number, and where they end; there must be ``some``."""
    start = at + _COUNT.size
    count = _COUNT.unpack_from(data, at)[0] if len(data) >= start else 0
    end = start + HASH_BYTES * count
    if end > len(data) or (some and not count):
        raise ValueError(f"a post's row whose hashes are cut off: {data[:32].hex()}")
    parts = [data[place : place + HASH_BYTES] for place in range(start, end, HASH_BYTES)]
    return tuple("" if part == _PLAIN else part.hex() for part in parts), end


@dataclass(frozen=True, slots=True)
class ProfileRow:
    """A creator's profile as it was last said; ``bio`` is the bio's vector as it goes over the wire."""

    revision: int
    tie: bytes
    profile: Profile
    bio: bytes | None = None

    @property
    def size(self) -> int:
        """Bytes of memory, about: each word of a list and each share is an object, 256 of them in a follower sample."""
        said, audience = self.profile, self.profile.audience
        shares = sum(map(len, (audience.gender, audience.age, audience.country))) if audience else 0
        words = len(said.platforms) + len(said.exclusive_brands) + len(said.follower_sample) + shares
        return _PROFILE_BYTES + _WORD_BYTES * words + len(said.bio) + len(self.bio or b"")

    def rank(self) -> tuple[int, bytes]:
        return (self.revision, self.tie)

    def detail(self) -> int:
        """As a post's row; all profiles of one rank say the same."""
        return 0

    def encode(self) -> bytes:
        body = {
            "format": _FORMAT,
            "revision": self.revision,
            "tie": self.tie.hex(),
            "profile": self.profile.model_dump(mode="json"),
            "bio": None if self.bio is None else self.bio.hex(),
        }
        return orjson.dumps(body, option=orjson.OPT_SORT_KEYS)

    @classmethod
    def decode(cls, data: bytes) -> ProfileRow:
        """Raises ValueError for bytes that no ``encode`` made."""
        body = orjson.loads(data)
        if body.get("format") != _FORMAT:
            raise ValueError(f"not a profile's row: {data[:80]!r}")
        bio = None if body["bio"] is None else bytes.fromhex(body["bio"])
        profile = Profile.model_validate_json(orjson.dumps(body["profile"]))
        return cls(body["revision"], bytes.fromhex(body["tie"]), profile, bio)


RowT = TypeVar("RowT", PostRow, ProfileRow)


def newer(old: RowT | None, new: RowT) -> RowT:
    """The row that stays (law 6). Where both say the same, the old one, so that a replay is seen as one."""
    return new if old is None or (new.rank(), new.detail()) > (old.rank(), old.detail()) else old


def post_row(event: PostEmbedded | PostRetracted, caption_weight: float, dimensions: int) -> PostRow:
    """The fact that ``event`` states: x = unit((1-a)·visual + a·caption), or the one there is.

    Raises ValueError for a vector of another size, not finite, or of no length.
    """
    if isinstance(event, PostRetracted):
        return PostRow(event.revision, removed=True)
    published_ms = round(event.published_at.timestamp() * 1000)
    # The embedder's own tie-break travels with the event: both must let the same publication win.
    order = bytes.fromhex(event.event_hash[:16]) if event.event_hash else tie(event)
    x = _item(event, caption_weight, dimensions)
    # A row keeps a plain picture's as zeros.
    hashes = tuple(each if each.strip("0") else "" for each in event.visual_hashes)
    scores = tuple(sorted(event.safety.items()))
    return PostRow(event.revision, False, published_ms, order, x, hashes, scores, event.safety_revision)


def profile_row(event: ProfileEmbedded, dimensions: int) -> ProfileRow:
    """The fact that ``event`` states. Raises ValueError for a bio's vector of another size or not finite."""
    if event.bio is not None:
        from_bytes(event.bio, dimensions)
    # Not of the bio's vector: a model may answer in other bits the next time, and the other profile would win then.
    order = tie(event.model_copy(update={"bio": None}))
    return ProfileRow(event.revision, order, event.profile, event.bio)


def tie(event: Event) -> bytes:
    """8 bytes of the SHA-256 of the event's canonical data: sorted JSON, so the same for Avro and for JSON."""
    return hashlib.sha256(canonical_data(event)).digest()[:8]


def creator_prefix(creator_id: str) -> bytes:
    """What the keys of all rows of a creator begin with."""
    return creator_id.encode() + b"\0"


def post_key(creator_id: str, post_id: str) -> bytes:
    return creator_prefix(creator_id) + POST + post_id.encode()


def profile_key(creator_id: str) -> bytes:
    return creator_prefix(creator_id) + PROFILE


def standing_key(creator_hash: str) -> bytes:
    return creator_prefix("") + STANDING + creator_hash.encode()


def row_hash(key: bytes, value: bytes) -> int:
    """One row's part in the hash of a set of rows, 128 bits; the set's is their xor."""
    return int.from_bytes(hashlib.sha256(len(key).to_bytes(4, "big") + key + value).digest()[:16], "big")


def _item(event: PostEmbedded, caption_weight: float, dimensions: int) -> Array | None:
    parts = [
        (weight, from_bytes(data, dimensions).astype(np.float64))
        for weight, data in ((1.0 - caption_weight, event.visual), (caption_weight, event.caption))
        if data is not None
    ]
    if not parts:
        return None
    if len(parts) == 1:
        return unit(parts[0][1]).astype(_STORED)
    blended = parts[0][0] * parts[0][1] + parts[1][0] * parts[1][1]
    # A picture and a caption that cancel out say nothing together; that is a post without a vector, not a bad event.
    return unit(blended).astype(_STORED) if blended.any() else None
