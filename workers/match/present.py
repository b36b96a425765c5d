"""What was found, in the shapes that are answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from workers.domain.events import SAFETY_CATEGORIES, BrandBriefed, FeedbackSignalled, Profile
from workers.domain.feedback import Posterior, Prior, posterior
from workers.domain.reasons import Reason
from workers.domain.stored import PropertyValue, StoredObject
from workers.match.answers import (
    BrandAnswer,
    CausingPostAnswer,
    CreatorAnswer,
    DeadAnswer,
    DuplicateAnswer,
    FacetAnswer,
    HitAnswer,
    MatchAnswer,
    MatchHitAnswer,
    OutcomeAnswer,
    PostAnswer,
    PosteriorAnswer,
    PostSafetyAnswer,
    ReviewAnswer,
    VisualAnswer,
)
from workers.match.content import Hit, picture_url
from workers.match.dead_posts import DeadPost
from workers.match.duplicates import Copies
from workers.match.filters import read_json
from workers.match.judging import Finding, known_safety
from workers.match.lookup import KnownCreator, KnownPost
from workers.match.matching import NO_MODEL, Match, explain
from workers.match.pictures import shown_url, unsigned
from workers.match.present_why import why_answer
from workers.match.ranking import POLICY, Ranked
from workers.match.safety_notes import SafetyNotes

Properties = Mapping[str, PropertyValue]


def hit_answer(hit: Hit, media_root: Path | None, duplicate_of: str | None = None) -> HitAnswer:
    """A post that was found."""
    visual = hit.visual
    return HitAnswer(
        post_id=str(hit.post["post_id"]),
        creator_id=str(hit.post["creator_id"]),
        url=_address(hit.post),
        score=hit.score,
        visual_score=visual.cosine if visual else None,
        caption_score=hit.caption_score,
        visual=VisualAnswer(
            position=visual.position, timestamp=visual.timestamp_ms, url=shown_url(visual.url, media_root)
        )
        if visual
        else None,
        caption=_text(hit.post, "caption") or "",
        platform=_text(hit.post, "platform"),
        published_at=_time(hit.post, "published_at"),
        duplicate_of=duplicate_of,
    )


def match_answer(match: Match, brand_id: str | None, model_version: str, explained: bool) -> MatchAnswer:
    """A shortlist."""
    return MatchAnswer(
        match_id=match.match_id,
        brand_id=brand_id,
        policy=POLICY,
        model=NO_MODEL,
        model_version=model_version,
        weights=dict(match.weights),
        safety_policy_version=match.safety.policy.version if match.safety.policy else None,
        hits=[
            ranked_answer(
                one, _explanation(one, match.posteriors.get(one.creator_id)) if explained else None, match.safety
            )
            for one in match.ranked
        ],
        filtered_out=match.removed.by_reason(),
        explanation=explain(match) if explained else None,
        why=why_answer(match.why, match.aspects) if match.why else None,
    )


def ranked_answer(
    ranked: Ranked, explanation: dict[str, Any] | None = None, safety: SafetyNotes | None = None
) -> MatchHitAnswer:
    """A place on a shortlist."""
    return MatchHitAnswer(
        creator_id=ranked.creator_id,
        rank=ranked.rank,
        score=ranked.score,
        parts=ranked.parts,
        evidence=list(ranked.evidence),
        safety=dict(safety.scores.get(ranked.creator_id, {})) if safety else {},
        review=_review(safety.review.get(ranked.creator_id, ())) if safety else [],
        explanation=explanation,
    )


def _review(found: Sequence[Finding]) -> list[ReviewAnswer]:
    return [ReviewAnswer(category=each.rule.category, score=each.score, posts=list(each.posts)) for each in found]


def creator_answer(
    known: KnownCreator, signals: Mapping[str, FeedbackSignalled], prior: Prior, now: datetime, vectors: bool
) -> CreatorAnswer:
    """A creator with facets and what outcomes say about them."""
    properties = known.creator.properties
    profile, safety = read_json(properties, "profile_json"), known_safety(properties)
    return CreatorAnswer(
        creator_id=str(properties["creator_id"]),
        revision=int(str(properties.get("revision_exact", properties["revision"]))),
        posts=int(str(properties.get("posts", 0))),
        model_version=str(properties["model_version"]),
        facets=[_facet(each, vectors) for each in known.facets],
        profile=Profile.model_validate(profile) if profile else None,
        safety=dict(safety.scores),
        safety_unknown=[name for name in SAFETY_CATEGORIES if name not in safety.scores],
        safety_coverage=dict(safety.coverage),
        safety_tail=safety.tail,
        safety_posts=[CausingPostAnswer.model_validate(asdict(post)) for post in safety.posts],
        safety_revision=safety.revision,
        outcomes=[_outcome(signal, prior, now) for _, signal in sorted(signals.items())],
        last_published_at=_time(properties, "last_published_at"),
        vector=_vector(known.creator, "creator") if vectors else None,
    )


def post_answer(known: KnownPost, media_root: Path | None) -> PostAnswer:
    """A post's state; a removed one shows no pictures, even while they are still there."""
    post, dead = known.post or {}, known.dead
    about = {"post_id": dead.post_id, "creator_id": dead.creator_id, "revision": dead.revision} if dead else {}
    if known.post is not None and known.state != "dead":
        about = {name: post[name] for name in ("post_id", "creator_id", "revision")}
    # One of each medium, though a video has more visuals.
    media = {} if post.get("removed") else {each.get("position", 0): each for each in known.visuals}
    urls = [shown_url(picture_url(visual), media_root) for visual in media.values()]
    return PostAnswer(
        post_id=str(about["post_id"]),
        creator_id=str(about["creator_id"]),
        state=known.state,
        revision=int(str(about["revision"])),
        searchable_revision=int(str(post["revision"])) if post.get("complete") and not post.get("removed") else None,
        reason=dead.reason if dead and known.state == "dead" else None,
        dead=_dead(dead) if dead and known.state == "dead" else None,
        url=_address(post),
        platform=_text(post, "platform"),
        language=_text(post, "language"),
        published_at=_time(post, "published_at"),
        caption=_text(post, "caption"),
        visuals=int(str(post.get("visuals", 0))),
        pictures=[url for url in urls if url is not None],
        model_version=known.model_version,
        first=known.copies.first,
        duplicates=_duplicates(known.copies),
        safety=_post_safety(post, known.visuals) if post.get("complete") and not post.get("removed") else None,
    )


def _post_safety(post: Properties, visuals: Sequence[Properties]) -> PostSafetyAnswer:
    return PostSafetyAnswer(
        revision=int(str(post.get("safety_revision", 0))),
        scores=read_json(post, "safety_json"),
        caption=read_json(post, "caption_safety_json"),
        visuals=[read_json(each, "safety_json") for each in visuals],
    )


def _duplicates(copies: Copies) -> list[DuplicateAnswer]:
    """Earliest first: the first of them is the first of all, unless the post itself is."""
    return [
        DuplicateAnswer(
            post_id=str(each.visual["post_id"]),
            creator_id=str(each.visual["creator_id"]),
            url=_address(each.visual),
            published_at=_time(each.visual, "published_at"),
            visuals=each.visuals,
            first=not copies.first and place == 0,
        )
        for place, each in enumerate(copies.duplicates)
    ]


def _dead(dead: DeadPost) -> DeadAnswer:
    """Why a post died. What the store said of it names our own servers' affairs: `dead show` has that."""
    known = next((reason for reason in Reason if reason == dead.reason), None)
    return DeadAnswer(
        dead_id=dead.dead_id,
        reason=dead.reason,
        meaning=known.meaning if known else "a reason that this release does not know",
        what_to_do=known.what_to_do if known else "see docs/dead-letters.md",
        detail=None if known is Reason.STORE_REFUSED else dead.detail,
        first_seen=dead.first_seen,
        died_at=dead.died_at,
        attempts=dead.attempts,
        replays=dead.replays,
    )


def brand_answer(brand: BrandBriefed) -> BrandAnswer:
    """A brand's brief."""
    return BrandAnswer.model_validate(brand.model_dump())


def _explanation(ranked: Ranked, known: Posterior | None) -> dict[str, Any]:
    return {
        "aspects": list(ranked.aspect_scores),
        "facets": ranked.contributions,
        "posterior": posterior_answer(known).model_dump() if known else None,
    }


def posterior_answer(known: Posterior) -> PosteriorAnswer:
    """A posterior's means."""
    return PosteriorAnswer(
        ctr_mean=known.ctr_mean,
        cvr_mean=known.cvr_mean,
        net_conversions=known.net_conversions,
        lift=known.lift,
        weight=known.weight,
    )


def _outcome(signal: FeedbackSignalled, prior: Prior, now: datetime) -> OutcomeAnswer:
    return OutcomeAnswer(
        brand_id=signal.brand_id,
        events=signal.events,
        last_at=signal.last_at,
        posterior=posterior_answer(posterior(signal.statistics, prior, now)),
    )


def _facet(facet: StoredObject, vectors: bool) -> FacetAnswer:
    properties = facet.properties
    return FacetAnswer(
        facet_id=str(properties["facet_id"]),
        share=float(str(properties["share"])),
        posts=int(str(properties["posts"])),
        exemplar_post_id=str(properties["exemplar_post_id"]),
        last_at=_time(properties, "last_at"),
        vector=_vector(facet, "facet") if vectors else None,
    )


def _vector(stored: StoredObject, name: str) -> list[float] | None:
    return [float(value) for value in stored.vectors[name]] if name in stored.vectors else None


def _text(properties: Properties, name: str) -> str | None:
    value = properties.get(name)
    return value if isinstance(value, str) else None


def _address(properties: Properties) -> str | None:
    url = _text(properties, "url")
    return None if url is None else unsigned(url)


def _time(properties: Properties, name: str) -> datetime | None:
    value = properties.get(name)
    return value if isinstance(value, datetime) else None
