"""What callers may ask, and its limits. An unknown field is refused, so that a misspelt filter is not lost."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from workers.domain.events import Aspect, SafetyCategory
from workers.domain.fields import (
    Amount,
    Count,
    Country,
    Currency,
    Identifier,
    Label,
    Language,
    Platform,
    Share,
    Shares,
    Timestamp,
    Url,
)
from workers.domain.filters import AGES, GENDERS

MAX_LIMIT = 100
MAX_QUERY = 1000
MAX_BRIEF = 5000
MAX_EVENTS = 1000
MAX_BRANDS = 1000
MAX_IMAGES = 8
MAX_NAMED = 8
"""Creators that look-alikes may be asked to be near, and to stay away from."""


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class Request(BaseModel):
    """Frozen; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Platforms = Annotated[tuple[Platform, ...], BeforeValidator(_as_list), Field(max_length=32)]
Languages = Annotated[tuple[Language, ...], BeforeValidator(_as_list), Field(max_length=32)]
Countries = Annotated[tuple[Country, ...], BeforeValidator(_as_list), Field(max_length=64)]
Categories = Annotated[tuple[Label, ...], BeforeValidator(_as_list), Field(max_length=64)]
Dimension = Literal["gender", "age", "country"]
_KEYS: Final = {"gender": GENDERS, "age": AGES}
_COUNTRY: Final = TypeAdapter(Country)


def _known_keys(audience: dict[Dimension, dict[str, float]]) -> dict[Dimension, dict[str, float]]:
    """No creator has a share under a misspelt key: it would leave out everyone, and say nothing."""
    for dimension, shares in audience.items():
        for key in shares:
            if dimension == "country":
                try:
                    _COUNTRY.validate_python(key)
                except ValidationError as error:
                    raise ValueError(f"country.{key}: not a country's code of two capital letters") from error
            elif key not in _KEYS[dimension]:
                raise ValueError(f"{dimension}.{key}: no such key; there are {', '.join(_KEYS[dimension])}")
    return audience


class Range(Request):
    """From ``min`` to ``max``, both included; either may be left out."""

    min: Count | None = None
    max: Count | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Range:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min} is over max {self.max}")
        return self


class PriceCap(Request):
    """The most that one sponsored post may cost; prices in another currency do not meet it."""

    max: Amount
    currency: Currency = "EUR"


class Filters(Request):
    """Hard conditions on creators: all must hold, and what is unknown of a creator does not meet them.

    ``audience`` gives the least share by dimension and key: ``{"gender": {"women": 0.6}}``; ``known_audience`` leaves
    out those of whose audience nothing is known in a dimension. ``competitors`` are brands whose exclusive creators are
    left out; ``exclude_creators`` is the caller's block list. ``safety`` gives the highest score by category; a
    creator of whom a category is not known is refused, unless ``unknown_safety`` is ``allow`` (which loosens no brand's
    policy).
    """

    platform: Platforms = ()
    language: Languages = ()
    country: Countries = ()
    category: Categories = ()
    followers: Range = Range()
    audience: Annotated[
        dict[Dimension, Annotated[dict[Label, Share], Field(max_length=64)]],
        Field(max_length=3),
        AfterValidator(_known_keys),
    ] = {}
    known_audience: Annotated[tuple[Dimension, ...], BeforeValidator(_as_list), Field(max_length=3)] = ()
    price: PriceCap | None = None
    active_within_days: Annotated[int, Field(ge=1, le=36_500)] | None = None
    exclude_creators: Annotated[tuple[Identifier, ...], Field(max_length=1000)] = ()
    competitors: Annotated[tuple[Identifier, ...], Field(max_length=256)] = ()
    safety: Annotated[dict[SafetyCategory, Share], Field(max_length=64)] = {}
    unknown_safety: Literal["allow", "refuse"] | None = None


Weight = Annotated[float, Field(ge=0, le=10)]


class Weights(Request):
    """How much each part of the score counts; what is left out stands at its default."""

    semantic: Weight | None = None
    feedback: Weight | None = None
    affinity: Weight | None = None
    bio: Weight | None = None
    audience: Weight | None = None
    engagement: Weight | None = None
    freshness: Weight | None = None


class MatchRequest(Request):
    """A brief, or a brand whose stored brief is taken; a brief given beside a brand takes the stored one's place.

    The brand brings its filters and what its outcomes taught either way; with ``stored_brief`` its stored brief and
    pictures too, after what the request says, as far as four aspects go. ``audience`` is wanted, not required: it moves
    the score. ``images`` are addresses of reference pictures, together one aspect of ``images_weight``, by default the
    mean of the others' weights. ``explain_creator_id``: say of this creator why they are not in the list, or where.
    """

    brief: Annotated[str, Field(max_length=MAX_BRIEF)] | None = None
    brand_id: Identifier | None = None
    stored_brief: bool = False
    images: Annotated[tuple[Url, ...], Field(max_length=MAX_IMAGES)] = ()
    images_weight: Annotated[float, Field(gt=0, le=1)] | None = None
    aspects: Annotated[tuple[Aspect, ...], Field(max_length=4)] = ()
    audience: Annotated[dict[Dimension, Shares], Field(max_length=3), AfterValidator(_known_keys)] = {}
    filters: Filters = Filters()
    weights: Weights = Weights()
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = 10
    explain: bool = False
    explain_creator_id: Identifier | None = None

    @model_validator(mode="after")
    def _asks_something(self) -> MatchRequest:
        if not (self.brief or self.brand_id or self.aspects or self.images):
            raise ValueError("one of brief, brand_id, aspects or images is needed")
        if self.stored_brief and self.brand_id is None:
            raise ValueError("stored_brief: a brand_id is needed, whose stored brief it is")
        return self


class SimilarWeights(Request):
    """How much each part of a look-alike's score counts; what is left out: ``semantic`` 1, ``away`` 0.5, others 0."""

    semantic: Weight | None = None
    away: Weight | None = None
    bio: Weight | None = None
    engagement: Weight | None = None
    freshness: Weight | None = None


Named = Annotated[tuple[Identifier, ...], BeforeValidator(_as_list), Field(max_length=MAX_NAMED)]


class SimilarRequest(Request):
    """Creators near all of ``like`` and away from each of ``unlike``, under the same filters as a match."""

    like: Annotated[Named, Field(min_length=1)]
    unlike: Named = ()
    filters: Filters = Filters()
    weights: SimilarWeights = SimilarWeights()
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = 10

    @model_validator(mode="after")
    def _apart(self) -> SimilarRequest:
        if both := sorted({*self.like} & {*self.unlike}):
            raise ValueError(f"unlike: {both[0]} is in like too")
        return self


class SearchFilters(Request):
    """Hard conditions on posts."""

    platform: Platforms = ()
    language: Languages = ()
    creator_id: Annotated[tuple[Identifier, ...], BeforeValidator(_as_list), Field(max_length=100)] = ()
    published_after: Timestamp | None = None
    published_before: Timestamp | None = None


class Search(Request):
    """A content search, by text or by a picture's bytes. ``blend`` 0 looks at pictures only, 1 at captions only."""

    text: Annotated[str, Field(max_length=MAX_QUERY)] = ""
    blend: Annotated[float, Field(ge=0, le=1)] = 0.5
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = 20
    filters: SearchFilters = SearchFilters()
