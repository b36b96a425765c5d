"""What a match asks for: the request's words and pictures, the brand's own, as aspects and their vectors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from workers.domain.events import Aspect, BrandBriefed
from workers.domain.vectors import Array
from workers.match.aspects import PICTURES, AspectError, plan_aspects
from workers.match.ports import QueryEncoder
from workers.match.problems import invalid_field
from workers.match.requests import MAX_IMAGES, MatchRequest


async def ask(
    request: MatchRequest, brand: BrandBriefed | None, encoder: QueryEncoder
) -> tuple[tuple[Aspect, ...], Array]:
    """The aspects and their vectors (A, d). Raises the problem ``invalid``, InvalidMedia, MediaUnavailable.

    What the request says stands in place of the brand's stored brief and pictures, or before them where it asks for
    those too (``stored_brief``).
    """
    said = bool(request.brief or request.aspects or request.images)
    own = brand if brand is not None and (request.stored_brief or not said) else None
    images = _images(request.images, own)
    try:
        aspects = plan_aspects(
            request.brief or "",
            request.aspects,
            pictures=bool(images),
            more=own.brief if own else "",
            pictures_weight=request.images_weight,
        )
    except AspectError as error:
        raise invalid_field(error.field, str(error)) from error
    texts = [aspect.text for aspect in (aspects[:-1] if images else aspects)]
    rows: list[Array] = []
    if texts:
        rows.extend(await encoder.texts(texts))
    if images:
        rows.append(await encoder.pictures(images))
    assert not images or aspects[-1].text == PICTURES
    return aspects, np.array(rows)


def _images(given: Sequence[str], brand: BrandBriefed | None) -> tuple[str, ...]:
    """The request's first, each address once; no more than a request may bring."""
    return tuple(dict.fromkeys((*given, *(brand.images if brand else ()))))[:MAX_IMAGES]
