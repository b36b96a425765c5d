"""Why a creator is not in a list, in the shape that is answered and in a sentence."""

from __future__ import annotations

from collections.abc import Sequence

from workers.domain.events import Aspect
from workers.match.answers import NearnessAnswer, PlaceAnswer, RefusalAnswer, WhyAnswer
from workers.match.ranking import Ranked
from workers.match.why import Why


def why_answer(why: Why, aspects: Sequence[Aspect]) -> WhyAnswer:
    """What became of a creator in a match of these aspects."""
    return WhyAnswer(
        creator_id=why.creator_id,
        verdict=why.verdict,
        text=sentence(why),
        refused=[
            RefusalAnswer(reason=each.reason, wanted=list(each.wanted), found=dict(each.found)) for each in why.refused
        ],
        nearest=[
            NearnessAnswer(
                aspect=aspect.text,
                facet_id=each.facet_id,
                exemplar_post_id=each.exemplar_post_id,
                cosine=each.cosine,
                cut=each.cut,
            )
            for aspect, each in zip(aspects, why.nearest, strict=False)
        ],
        own=_place(why.own),
        of=why.of,
        last=_place(why.last),
    )


def _place(one: Ranked | None) -> PlaceAnswer | None:
    if one is None:
        return None
    return PlaceAnswer(creator_id=one.creator_id, rank=one.rank, score=one.score, parts=one.parts)


def sentence(why: Why) -> str:
    """The verdict in words."""
    name, own, last = why.creator_id, why.own, why.last
    match why.verdict:
        case "erased":
            return f"{name} is erased: nothing of it is kept or shown"
        case "unknown":
            return f"{name} is not known to the index: no post or profile of it has come in"
        case "not_searchable":
            return f"{name} is known, but has no searchable facet: no post that stands, or its posts are on their way"
        case "refused":
            return f"{name} is refused by {', '.join(each.reason for each in why.refused)}"
        case "not_near":
            return f"{name} passes every filter, but {_too_far(why)}"
        case "ranked":
            assert own is not None
            assert last is not None
            less = last.score - own.score
            return f"{name} stands at {own.rank} of {why.of}: {less:.4f} less than {last.creator_id} at {last.rank}"
        case "shortlisted":
            assert own is not None
            return f"{name} is in the list, at {own.rank} of {why.of}"


def _too_far(why: Why) -> str:
    """Nearer than the cut, and not found all the same: a graph's search may pass over a facet."""
    nearer = [each for each in why.nearest if each.cut is not None and each.cosine >= each.cut]
    if nearer:
        return "the search did not find its facets, though they are near enough: it was approximate, or they are new"
    if all(each.cut is None for each in why.nearest):
        return "the search found nothing: what it allows came or went meanwhile"
    far = [f"{each.cosine:.3f}, where {each.cut:.3f} was needed" for each in why.nearest if each.cut is not None]
    return f"no facet of it is among those near the brief: its nearest has a cosine of {'; '.join(far)}"
