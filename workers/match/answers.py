"""What the API answers: the shapes of design section 7."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel

from workers.domain.events import Profile, SafetyPolicy


class VisualAnswer(BaseModel):
    """Which visual of a post was nearest: its place, the time within a video in milliseconds, where to see it."""

    position: int
    timestamp: int
    url: str | None


class HitAnswer(BaseModel):
    """A post that was found. A score is null where the post has no such thing, or it was not asked for.

    ``duplicate_of``: the post of this answer that showed the same picture first, by (published_at, post_id).
    """

    post_id: str
    creator_id: str
    url: str | None
    score: float
    visual_score: float | None
    caption_score: float | None
    visual: VisualAnswer | None
    caption: str
    platform: str | None
    published_at: datetime | None
    duplicate_of: str | None = None


class SearchAnswer(BaseModel):
    """Posts, best first."""

    hits: list[HitAnswer]
    model_version: str


class PosteriorAnswer(BaseModel):
    """What outcomes say about a creator for a brand, now."""

    ctr_mean: float
    cvr_mean: float
    net_conversions: float
    lift: float
    weight: float


class OutcomeAnswer(BaseModel):
    """A brand's experience with a creator."""

    brand_id: str
    events: int
    last_at: datetime
    posterior: PosteriorAnswer


class FacetAnswer(BaseModel):
    """A facet of a creator; the vector only where asked for."""

    facet_id: str
    share: float
    posts: int
    exemplar_post_id: str
    last_at: datetime | None
    vector: list[float] | None = None


class CausingPostAnswer(BaseModel):
    """A post that caused a safety score: its share of the creator's output, and the categories it is notable for."""

    post_id: str
    published_at: datetime
    share: float
    scores: dict[str, float]


class CreatorAnswer(BaseModel):
    """A creator as the index has them.

    ``safety``: by category the mean probability over the worst ``safety_tail`` of what they post; what is not known is
    in ``safety_unknown``. ``safety_coverage``: of how much of the output a category is known; one that is known of
    less than half counts as unknown. ``safety_posts`` caused the scores, the greatest part first.
    """

    creator_id: str
    revision: int
    posts: int
    model_version: str
    facets: list[FacetAnswer]
    profile: Profile | None
    safety: dict[str, float]
    safety_unknown: list[str]
    safety_coverage: dict[str, float]
    safety_tail: float
    safety_posts: list[CausingPostAnswer]
    safety_revision: int
    outcomes: list[OutcomeAnswer]
    last_published_at: datetime | None
    vector: list[float] | None = None


class ReviewAnswer(BaseModel):
    """What a brand's safety policy wants a person to look at: a score in the review band, and the posts behind it.

    ``score`` null: too little of the creator is known for one, which the policy allows, but these posts are over it.
    """

    category: str
    score: float | None
    posts: list[str]


class MatchHitAnswer(BaseModel):
    """A place on the shortlist: ``score`` is the sum of ``parts`` times the weights; ``evidence`` are real posts.

    ``safety``: the creator's known scores by category; one that is not there is not known.
    """

    creator_id: str
    rank: int
    score: float
    parts: dict[str, float]
    evidence: list[str]
    safety: dict[str, float] = {}
    review: list[ReviewAnswer] = []
    explanation: dict[str, Any] | None = None


class RefusalAnswer(BaseModel):
    """A hard filter that a creator does not meet: what it wants, and what is known of the creator there."""

    reason: str
    wanted: list[str]
    found: dict[str, Any]


class NearnessAnswer(BaseModel):
    """The creator's facet nearest to an aspect, and the cosine of the last facet that the search answered."""

    aspect: str
    facet_id: str
    exemplar_post_id: str
    cosine: float
    cut: float | None


class PlaceAnswer(BaseModel):
    """A place in the ranking, with its score and parts."""

    creator_id: str
    rank: int
    score: float
    parts: dict[str, float]


class WhyAnswer(BaseModel):
    """Why a named creator is not in the list, or where it stands. ``text`` says it in a sentence.

    ``verdict``: ``erased``, ``unknown``, ``not_searchable`` (no facet: no posts, or none yet), ``refused`` by hard
    filters, ``not_near`` (no facet among those nearest to an aspect), ``ranked`` below the shortlist, ``shortlisted``.
    ``own``: its place among ``of`` creators; of one who is refused or not near, the place it would have had.
    ``last``: the last place of the shortlist.
    """

    creator_id: str
    verdict: str
    text: str
    refused: list[RefusalAnswer]
    nearest: list[NearnessAnswer]
    own: PlaceAnswer | None
    of: int
    last: PlaceAnswer | None


class MatchAnswer(BaseModel):
    """A shortlist. ``filtered_out``: how many creators each hard filter refuses, each counted on its own.

    Counted over the whole index; for rules of safety that look back and for the audience's country, among the creators
    near the brief. A count for which a thousand creators or more must be read is up to a minute old, ten where nobody
    asked meanwhile. Each hit's ``score`` is the sum of its ``parts`` times ``weights``. ``why``: of the creator in
    ``explain_creator_id``. ``safety_policy_version``: of the brand's policy that was applied.
    """

    match_id: str
    brand_id: str | None
    policy: str
    model: str
    model_version: str
    weights: dict[str, float]
    safety_policy_version: int | None = None
    hits: list[MatchHitAnswer]
    filtered_out: dict[str, int]
    explanation: dict[str, Any] | None = None
    why: WhyAnswer | None = None


class SimilarAnswer(BaseModel):
    """Creators who post about the same things in the same proportions as all of ``like``, best first.

    ``weights``: of the parts; ``away``, 0 to -1, says how like a creator is to the nearest of ``unlike``.
    """

    like: list[str]
    unlike: list[str]
    weights: dict[str, float]
    hits: list[MatchHitAnswer]


class CreatorSimilarAnswer(SimilarAnswer):
    """The same of one creator."""

    creator_id: str


class DeadAnswer(BaseModel):
    """Why a post could not be used, and what to do: ``reason`` is a code of docs/dead-letters.md."""

    dead_id: str
    reason: str
    meaning: str
    what_to_do: str
    detail: str | None
    first_seen: datetime | None
    died_at: datetime
    attempts: int
    replays: int


class DuplicateAnswer(BaseModel):
    """Another post that shows the same: how many of the post's visuals, and whether it was the first of all."""

    post_id: str
    creator_id: str
    url: str | None
    published_at: datetime | None
    visuals: int
    first: bool


class PostSafetyAnswer(BaseModel):
    """Safety scores of a post by category, as probabilities; a category that the model cannot tell is not there.

    ``scores``: the greatest of the caption's and of the visuals', which stand in their order. ``revision``: of the
    calibration, 0 where the post was never scored.
    """

    revision: int
    scores: dict[str, float]
    caption: dict[str, float]
    visuals: list[dict[str, float]]


class PostAnswer(BaseModel):
    """A post's state: ``embedded`` (searchable), ``published`` (being worked on), ``dead`` (and why) or ``removed``.

    ``revision`` is the one of which the state is said; ``searchable_revision`` the one that search finds, which of a
    post whose edit died is an older one. ``pictures``: where a browser finds them, in the post's order.
    ``duplicates``: posts of any creator that show the same pictures, earliest first by (published_at, post_id);
    ``first``: whether this post came before them all, null where its pictures cannot be compared. ``safety``: of a post
    that is searchable.
    """

    post_id: str
    creator_id: str
    state: str
    revision: int
    searchable_revision: int | None
    reason: str | None
    dead: DeadAnswer | None
    url: str | None
    platform: str | None
    language: str | None
    published_at: datetime | None
    caption: str | None
    visuals: int
    pictures: list[str]
    model_version: str
    first: bool | None = None
    duplicates: list[DuplicateAnswer] = []
    safety: PostSafetyAnswer | None = None


class BrandAnswer(BaseModel):
    """A brand's standing brief."""

    brand_id: str
    revision: int
    name: str
    brief: str
    images: list[str]
    category: str | None
    competitors: list[str]
    safety: dict[str, float]
    safety_policy: SafetyPolicy | None = None


class BrandsAnswer(BaseModel):
    """Brands in the order of their ids. ``next``: what to give as ``after`` for those that follow, if any do."""

    brands: list[BrandAnswer]
    next: str | None


class AcceptedAnswer(BaseModel):
    """Events that Kafka has acknowledged, by their CloudEvents ids, in the order they were given."""

    accepted: int
    ids: list[str]
