"""The flat fields by which briefs filter creators: derived from a profile, copied to every object of a creator.

What a profile does not say has no field, so that no filter on it holds: unknown is neither rewarded nor let through.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from workers.domain.events import SAFETY_CATEGORIES, Audience, Profile
from workers.domain.stored import PropertyValue

GENDERS: Final = ("women", "men", "other")
AGES: Final = ("13-17", "18-24", "25-34", "35-44", "45-54", "55-64", "65+")
"""The bands in which the platforms report ages. Shares under any other label are kept in ``audience_json`` alone."""

AUDIENCE_KINDS: Final = ("gender", "age", "country")
"""Of what an audience has shares; ``audience_known`` lists those of which anything is known."""


def age_bands(label: str) -> tuple[str, ...]:
    """The bands that an age range is made of: ``18-34`` is 18-24 and 25-34, ``45+`` the last three; () for none."""
    first, last = label.removesuffix("+").partition("-")[0], label.partition("-")[2]
    starts, ends = [band.rstrip("+").partition("-")[0] for band in AGES], [band.partition("-")[2] for band in AGES]
    if first not in starts or (label != f"{first}+" and (last not in ends or label != f"{first}-{last}")):
        return ()
    return AGES[starts.index(first) : (len(AGES) if label.endswith("+") else ends.index(last) + 1)]


AUDIENCE_PROPERTIES: Final[Mapping[tuple[str, str], str]] = {
    **{("gender", label): f"audience_gender_{label}" for label in GENDERS},
    **{("age", label): f"audience_age_{label.replace('-', '_').replace('+', '_plus')}" for label in AGES},
}
"""The property of a share by kind (``gender``, ``age``) and label: ``("age", "18-24")`` is ``audience_age_18_24``."""

SAFETY_PROPERTIES: Final[Mapping[str, str]] = {category: f"safety_{category}" for category in SAFETY_CATEGORIES}
"""The property of a creator's score by category: ``alcohol`` is ``safety_alcohol``. No property, no score."""

FILTER_FIELDS: Final = (
    "platforms",
    "language",
    "country",
    "category",
    "followers",
    "engagement",
    "price_amount",
    "price_currency",
    "exclusive_brands",
    "last_published_at",
    *AUDIENCE_PROPERTIES.values(),
    "audience_known",
    "audience_json",
    *SAFETY_PROPERTIES.values(),
)
"""Every field there may be, as ``schemas/collections.yaml`` lists them."""


def filter_fields(
    profile: Profile | None, last_published_at: datetime | None = None, safety: Mapping[str, float] | None = None
) -> dict[str, PropertyValue]:
    """The fields of a creator; those of which nothing is known are left out."""
    fields: dict[str, PropertyValue | None] = {"last_published_at": last_published_at}
    if profile is not None:
        fields |= {
            "platforms": list(profile.platforms),
            "language": profile.language,
            "country": profile.country,
            "category": profile.category,
            "followers": profile.followers,
            "engagement": profile.engagement,
            "price_amount": profile.price.amount if profile.price else None,
            "price_currency": profile.price.currency if profile.price else None,
            "exclusive_brands": list(profile.exclusive_brands),
        }
        fields |= _audience_fields(profile.audience) if profile.audience else {}
    for category, score in (safety or {}).items():
        # A category of none of these has no property: the Creator's JSON alone holds it.
        if category in SAFETY_PROPERTIES:
            fields[SAFETY_PROPERTIES[category]] = score
    return {name: value for name, value in fields.items() if value is not None}


def canonical_json(value: Any) -> str:
    """JSON as a function of the value: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _audience_fields(audience: Audience) -> dict[str, PropertyValue]:
    fields: dict[str, PropertyValue] = {
        name: share
        for (kind, label), name in AUDIENCE_PROPERTIES.items()
        if (share := getattr(audience, kind).get(label)) is not None
    }
    if known := [kind for kind in AUDIENCE_KINDS if getattr(audience, kind)]:
        fields["audience_known"] = list(known)
    fields["audience_json"] = canonical_json(audience.model_dump(mode="json"))
    return fields
