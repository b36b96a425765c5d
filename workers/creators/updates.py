"""From a fold to the public event about a creator."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

import numpy as np

from workers.creators.facets import FoldSettings, centres
from workers.creators.fold import Fold
from workers.creators.safety import Notable, assess
from workers.domain.events import CreatorUpdated, NotablePost
from workers.domain.events import Facet as PublishedFacet
from workers.domain.ids import STREAMSCOUT
from workers.domain.vectors import to_bytes, unit

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def creator_updated(fold: Fold, settings: FoldSettings) -> CreatorUpdated:
    """The event: facets by share, greatest first, exact vectors; a share is W over the sum of all W.

    Made of what was validated when it was read, and of sums of it: it is not validated once more, which took as long as
    to fold a post. A law of the tests says that it always would be.
    """
    safety = assess(fold.window.output(), settings.safety_tail)
    return CreatorUpdated.model_construct(
        creator_id=fold.creator_id,
        revision=fold.revision,
        model_version=settings.model_version,
        posts=fold.live,
        facets=_published(fold),
        recency_mean=_recency_mean(fold),
        bio=fold.profile.bio if fold.profile else None,
        profile=fold.profile.profile if fold.profile else None,
        last_published_at=_time(fold.newest[0]) if fold.newest else None,
        safety=dict(safety.scores),
        safety_posts=tuple(_notable(post) for post in safety.posts),
        safety_coverage=dict(safety.coverage),
        safety_tail=settings.safety_tail if safety.coverage else 0.0,
        safety_revision=fold.safety_revision,
    )


def update_id(fold: Fold, model_version: str) -> UUID:
    """The event's id: a function of the set of rows, so that a copy published again is known as one."""
    return uuid5(
        STREAMSCOUT, "\x1f".join(("creator-updated", fold.creator_id, model_version, f"{fold.rows_hash:032x}"))
    )


def _published(fold: Fold) -> tuple[PublishedFacet, ...]:
    if not fold.facets:
        return ()
    total = sum(facet.weight for facet in fold.facets)
    facets = [
        PublishedFacet.model_construct(
            facet_id=facet.facet_id,
            share=min(1.0, facet.weight / total),
            posts=len(facet.places),
            vector=to_bytes(centre),
            exemplar_post_id=facet.exemplar,
            last_at=_time(facet.last_ms),
        )
        for facet, centre in zip(fold.facets, centres(fold.facets), strict=True)
    ]
    return tuple(sorted(facets, key=lambda facet: (-facet.share, facet.facet_id)))


def _recency_mean(fold: Fold) -> bytes | None:
    """The direction of the sum of w·x over the window, which is that of its facets; None where there is none."""
    if not fold.facets:
        return None
    total = np.add.reduce(np.array([facet.total for facet in fold.facets]), axis=0)
    return to_bytes(unit(total)) if total.any() else None


def _notable(post: Notable) -> NotablePost:
    return NotablePost.model_construct(
        post_id=post.post_id,
        published_at=_time(post.published_ms),
        share=post.share,
        scores=dict(post.scores),
    )


def _time(milliseconds: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=milliseconds)
