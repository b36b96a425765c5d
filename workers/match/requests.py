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
    ValidationInfo,
    field_validator,
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
from workers.domain.filters import AGES, GENDERS, age_bands

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
    """Frozen; unknown fields are refused. What stands under a field is its description in /openapi.json."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


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


def _wanted_keys(audience: dict[Dimension, dict[str, float]]) -> dict[Dimension, dict[str, float]]:
    """As ``_known_keys``, and ages may be wanted by ranges of bands: nobody plans a campaign for 18-24 and 25-34."""
    bands = [band for key in audience.get("age", {}) for band in age_bands(key)]
    if twice := sorted({band for band in bands if bands.count(band) > 1}):
        raise ValueError(f"age: {', '.join(twice)} is wanted twice, in two ranges")
    ranges = {key for key in audience.get("age", {}) if age_bands(key)}
    _known_keys(
        {name: {key: share for key, share in shares.items() if key not in ranges} for name, shares in audience.items()}
    )
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
    """Hard conditions on creators: all must hold, and what is unknown of a creator does not meet them."""

    platform: Platforms = ()
    """On any of these."""
    language: Languages = ()
    country: Countries = ()
    category: Categories = ()
    followers: Range = Range()
    audience: Annotated[
        dict[Dimension, Annotated[dict[Label, Share], Field(max_length=64)]],
        Field(max_length=3),
        AfterValidator(_known_keys),
    ] = {}
    """The least share by dimension and key: `{"gender": {"women": 0.6}}`."""
    known_audience: Annotated[tuple[Dimension, ...], BeforeValidator(_as_list), Field(max_length=3)] = ()
    """Leave out those of whose audience nothing is known in these dimensions."""
    price: PriceCap | None = None
    active_within_days: Annotated[int, Field(ge=1, le=36_500)] | None = None
    """The last post is no older."""
    exclude_creators: Annotated[tuple[Identifier, ...], Field(max_length=1000)] = ()
    """The caller's block list; a brand's own stands in its safety policy (`blocked`)."""
    competitors: Annotated[tuple[Identifier, ...], Field(max_length=256)] = ()
    """Brands whose exclusive creators are left out, beside the competitors that the brand's brief names."""
    safety: Annotated[dict[SafetyCategory, Share], Field(max_length=64)] = {}
    """The highest score by category; a creator of whom a category is not known is refused."""
    unknown_safety: Literal["allow", "refuse"] | None = None
    """`allow`: a score that is not known passes; it loosens no brand's policy. `refuse`: it is stricter than one."""


Weight = Annotated[float, Field(ge=0, le=10)]


class Weights(Request):
    """How much each part of the score counts; what is left out stands at its default, which every answer says."""

    semantic: Weight | None = None
    """The share-weighted fit of the posts, about -1 to 1."""
    feedback: Weight | None = None
    """What this creator's own outcomes for the brand taught, -1 to 1."""
    affinity: Weight | None = None
    """What the brand's outcomes taught of creators alike, -1 to 1."""
    bio: Weight | None = None
    """The fit of the bio as far as the posts agree with it, 0 to 1."""
    audience: Weight | None = None
    """How much of the wanted audience the creator has, 0 to 1."""
    engagement: Weight | None = None
    """The rate of engagement, saturating, 0 to 1."""
    freshness: Weight | None = None
    """How lately they posted, halved every 30 days, 0 to 1."""


class MatchRequest(Request):
    """A brief, or a brand whose stored brief is taken; a brief given beside a brand takes the stored one's place.

    The brand brings its filters and what its outcomes taught either way.
    """

    brief: Annotated[str, Field(max_length=MAX_BRIEF)] | None = None
    """What is wanted, in words; split into aspects at sentences, semicolons, lines and lists with commas."""
    brand_id: Identifier | None = None
    """Who asks: its stored brief and pictures, competitors, safety policy, and what was learned for it."""
    stored_brief: bool = False
    """The brand's stored brief and pictures too, after what this request says, as far as four aspects go."""
    images: Annotated[tuple[Url, ...], Field(max_length=MAX_IMAGES)] = ()
    """Addresses of reference pictures, together one aspect."""
    images_weight: Annotated[float, Field(gt=0, le=1)] | None = None
    """The weight of the pictures beside the aspects' own; by default the mean of those."""
    aspects: Annotated[tuple[Aspect, ...], Field(max_length=4)] = ()
    """The parts of the brief with their weights, in place of the rule that splits it."""
    audience: Annotated[dict[Dimension, Shares], Field(max_length=3), AfterValidator(_wanted_keys)] = {}
    """Wanted, not required: it moves the score, and unknown is neither rewarded nor refused. Ages by band, or by a
    range of bands: ``{"gender": {"women": 0.7}, "age": {"18-34": 0.6}}``."""
    filters: Filters = Filters()
    weights: Weights = Weights()
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = 10
    explain: bool = False
    """Say what the answer rests on: aspects, how many were allowed, how the index searched, each facet's part."""
    explain_creator_id: Identifier | None = None
    """Say of this creator why they are not in the list, or where they stand."""

    @model_validator(mode="after")
    def _asks_something(self) -> MatchRequest:
        if not (self.brief or self.brand_id or self.aspects or self.images):
            raise ValueError("one of brief, brand_id, aspects or images is needed")
        return self

    @field_validator("stored_brief")
    @classmethod
    def _of_a_brand(cls, stored_brief: bool, info: ValidationInfo) -> bool:
        if stored_brief and info.data.get("brand_id") is None:
            raise ValueError("a brand_id is needed, whose stored brief it is")
        return stored_brief


class SimilarWeights(Request):
    """How much each part of a look-alike's score counts: `semantic` 1, `away` 0.5 and the others 0 by default."""

    semantic: Weight | None = None
    """How like all of the like creators."""
    away: Weight | None = None
    """Less how like that one of the unlike creators whom they are most like, -1 to 0."""
    bio: Weight | None = None
    engagement: Weight | None = None
    freshness: Weight | None = None


Named = Annotated[tuple[Identifier, ...], BeforeValidator(_as_list), Field(max_length=MAX_NAMED)]


class SimilarRequest(Request):
    """Creators near all of some and away from each of others. Nobody who is named is answered."""

    like: Annotated[Named, Field(min_length=1)]
    """Creators to be near: each weighs the same, and each of their facets its share."""
    unlike: Named = ()
    """Creators to stay away from."""
    filters: Filters = Filters()
    weights: SimilarWeights = SimilarWeights()
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = 10

    @field_validator("unlike")
    @classmethod
    def _apart(cls, unlike: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if both := sorted({*info.data.get("like", ())} & {*unlike}):
            raise ValueError(f"{both[0]} is in like too")
        return unlike


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
