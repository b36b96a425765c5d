"""The calls that read: search, match, creators, posts, brands."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, File, Path, Query, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import FormData

from workers.match.answers import (
    BrandAnswer,
    BrandsAnswer,
    CreatorAnswer,
    CreatorSimilarAnswer,
    MatchAnswer,
    PostAnswer,
    SearchAnswer,
    SimilarAnswer,
)
from workers.match.content import Hit
from workers.match.duplicates import originals
from workers.match.limits import FORM_BODY, JSON_BODY
from workers.match.lookalikes import LookAlikes
from workers.match.present import brand_answer, creator_answer, hit_answer, match_answer, post_answer, ranked_answer
from workers.match.problems import NOT_KNOWN, PROBLEMS, invalid, not_found, too_large
from workers.match.requests import MAX_BRANDS, MAX_LIMIT, MAX_QUERY, MatchRequest, Search, SearchFilters, SimilarRequest
from workers.match.rooms import Rooms
from workers.match.safety_notes import SafetyNotes

router = APIRouter(prefix="/v1", responses=PROBLEMS)


def rooms_of(request: Request) -> Rooms:
    """What the calls use."""
    rooms: Rooms = request.app.state.rooms
    return rooms


# An id may hold a slash (``:path``); so what follows an id in a path must be declared before the id alone.
RoomsOf = Annotated[Rooms, Depends(rooms_of)]
Id = Annotated[str, Path(min_length=1, max_length=256)]


class SearchBy(SearchFilters):
    """The query of a search by picture: a content search's limits, blend and filters."""

    blend: Annotated[float, Field(ge=0, le=1, description="0: pictures only, 1: captions only")] = 0.5
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = 20

    def search(self, text: str = "") -> Search:
        """The request as the searcher takes it."""
        filters = SearchFilters.model_validate(self.model_dump(include=set(SearchFilters.model_fields)))
        return Search(text=text, blend=self.blend, limit=self.limit, filters=filters)


class SearchByText(SearchBy):
    """The query of a search by text."""

    q: Annotated[str, Field(min_length=1, max_length=MAX_QUERY, description="What to look for")]


@router.get("/search", tags=["search"])
async def search(asked: Annotated[SearchByText, Query()], rooms: RoomsOf) -> SearchAnswer:
    """Posts by what is on their pictures and in their captions."""
    hits = await rooms.searcher.search(asked.search(asked.q))
    return _search_answer(rooms, hits)


@router.post("/search", tags=["search"], dependencies=[FORM_BODY])
async def search_by_picture(
    image: Annotated[UploadFile, File(description="A picture")],
    asked: Annotated[SearchBy, Query()],
    rooms: RoomsOf,
    request: Request,
) -> SearchAnswer:
    """Posts that look like a picture, or speak of what is on it. Filters stand in the query, not in the form."""
    refuse_unknown_fields(await request.form())
    data = await image.read(rooms.media_max_bytes + 1)
    if len(data) > rooms.media_max_bytes:
        raise too_large(rooms.media_max_bytes)
    return _search_answer(rooms, await rooms.searcher.search(asked.search(), data))


@router.post("/match", tags=["match"], responses=NOT_KNOWN, dependencies=[JSON_BODY])
async def match(asked: MatchRequest, rooms: RoomsOf) -> MatchAnswer:
    """Creators who fit a brief, or a brand's stored one. The answer's `match_id` is what decisions name."""
    served = await rooms.matcher.match(asked)
    return match_answer(served, asked.brand_id, rooms.encoder.model_version, asked.explain)


class SimilarBy(BaseModel):
    """The query of look-alikes of a creator."""

    model_config = ConfigDict(extra="forbid")

    also: Annotated[tuple[str, ...], Field(description="Near these creators too; may be repeated")] = ()
    away: Annotated[tuple[str, ...], Field(description="Away from these creators; may be repeated")] = ()
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = 10


@router.get("/creators/{creator_id:path}/similar", tags=["creators"], responses=NOT_KNOWN)
async def similar(creator_id: Id, asked: Annotated[SimilarBy, Query()], rooms: RoomsOf) -> CreatorSimilarAnswer:
    """Creators who post about the same things in the same proportions; near others too, and away from others."""
    raw = {"like": (creator_id, *asked.also), "unlike": asked.away, "limit": asked.limit}
    try:
        request = SimilarRequest.model_validate(raw)
    except ValidationError as error:
        raise RequestValidationError([{**each, "loc": ("query", *each["loc"])} for each in error.errors()]) from error
    found = await rooms.lookalikes.similar(request)
    return CreatorSimilarAnswer(creator_id=creator_id, **_similar(request, found))


@router.post("/similar", tags=["creators"], responses=NOT_KNOWN, dependencies=[JSON_BODY])
async def similar_to_a_set(asked: SimilarRequest, rooms: RoomsOf) -> SimilarAnswer:
    """Creators near all of `like` and away from each of `unlike`, under filters; none of those named."""
    return SimilarAnswer(**_similar(asked, await rooms.lookalikes.similar(asked)))


@router.get("/creators/{creator_id:path}", tags=["creators"], responses=NOT_KNOWN)
async def creator(creator_id: Id, rooms: RoomsOf, vectors: bool = False) -> CreatorAnswer:
    """A creator with facets, profile, and what outcomes say."""
    known = await rooms.lookup.creator(creator_id, vectors)
    return creator_answer(known, rooms.signals.of_creator(creator_id), rooms.prior, rooms.clock.now(), vectors)


@router.get("/posts/{post_id:path}", tags=["posts"], responses=NOT_KNOWN)
async def post(post_id: Id, rooms: RoomsOf) -> PostAnswer:
    """A post's state. A post that the embedder has not come to yet is not found."""
    return post_answer(await rooms.lookup.post(post_id), rooms.media_root)


@router.get("/brands", tags=["brands"])
async def brands(
    rooms: RoomsOf,
    limit: Annotated[int, Query(ge=1, le=MAX_BRANDS)] = MAX_BRANDS,
    after: Annotated[str, Query(max_length=256, description="Only brands whose ids follow this one")] = "",
) -> BrandsAnswer:
    """Brands' standing briefs, in the order of their ids."""
    found = [one for one in rooms.brands.all() if one.brand_id > after]
    shown = found[:limit]
    return BrandsAnswer(
        brands=[brand_answer(one) for one in shown], next=shown[-1].brand_id if len(found) > limit else None
    )


@router.get("/brands/{brand_id:path}", tags=["brands"], responses=NOT_KNOWN)
async def brand(brand_id: Id, rooms: RoomsOf) -> BrandAnswer:
    """A brand's standing brief."""
    known = rooms.brands.get(brand_id)
    if known is None:
        raise not_found("brand", brand_id)
    return brand_answer(known)


def refuse_unknown_fields(form: FormData) -> None:
    """A filter that is lost in a form would be as bad as a misspelt one."""
    names = [name for name, _ in form.multi_items()]
    errors = [
        {"field": name, "in": "body", "message": "no field of this form: `image` is; the rest goes into the query"}
        for name in sorted(set(names) - {"image"})
    ]
    if names.count("image") > 1:
        errors.append({"field": "image", "in": "body", "message": "one picture is searched by"})
    if errors:
        raise invalid("; ".join(f"{each['field'][:100]}: {each['message']}" for each in errors[:5]), errors)


def _search_answer(rooms: Rooms, hits: list[Hit]) -> SearchAnswer:
    firsts = originals(hits)
    answers = [hit_answer(hit, rooms.media_root, firsts.get(str(hit.post["post_id"]))) for hit in hits]
    return SearchAnswer(hits=answers, model_version=rooms.encoder.model_version)


def _similar(asked: SimilarRequest, found: LookAlikes) -> dict[str, Any]:
    hits = [ranked_answer(one, safety=SafetyNotes(None, found.safety)) for one in found.ranked]
    return {"like": list(asked.like), "unlike": list(asked.unlike), "weights": dict(found.weights), "hits": hits}
