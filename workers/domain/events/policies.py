"""A brand's safety policy: versioned data inside its brief."""

from __future__ import annotations

from typing import Annotated, Final, Literal, get_args

from pydantic import Field, model_validator

from workers.domain.events.envelope import Record
from workers.domain.fields import MAX_REVISION, Identifier, Share

SafetyCategory = Literal[
    "violence",
    "nudity",
    "alcohol",
    "tobacco",
    "drugs",
    "gambling",
    "weapons",
    "hate_symbols",
    "politics",
    "profanity",
]
SAFETY_CATEGORIES: Final[tuple[SafetyCategory, ...]] = get_args(SafetyCategory)
"""What posts are scored for: those of ``schemas/safety.yaml``."""


class SafetyRule(Record):
    """What a creator's score of one category must be: below ``threshold``.

    From ``review_from`` on a creator stays, and a person is asked to look. With ``look_back_days`` posts older than so
    count as clean.
    """

    category: SafetyCategory
    threshold: Share
    review_from: Share | None = None
    look_back_days: Annotated[int, Field(ge=1, le=36_500)] | None = None

    @model_validator(mode="after")
    def _review_comes_before_refusal(self) -> SafetyRule:
        if self.review_from is not None and self.review_from > self.threshold:
            raise ValueError(f"review_from {self.review_from} is over threshold {self.threshold}")
        return self


class SafetyPolicy(Record):
    """Which creators a brand may be shown. ``version`` names these rules: other rules take a greater one.

    A creator of whom a rule's category is not known is refused, unless ``unknown`` is ``allow`` or ``allow_unknown``
    names the category. Of ``cleared`` creators no rule is asked; ``blocked`` ones are never shown.
    """

    version: Annotated[int, Field(ge=1, le=MAX_REVISION)]
    rules: Annotated[tuple[SafetyRule, ...], Field(max_length=64)] = ()
    unknown: Literal["refuse", "allow"] = "refuse"
    allow_unknown: Annotated[tuple[SafetyCategory, ...], Field(max_length=64)] = ()
    cleared: Annotated[tuple[Identifier, ...], Field(max_length=1000)] = ()
    blocked: Annotated[tuple[Identifier, ...], Field(max_length=1000)] = ()

    @model_validator(mode="after")
    def _nobody_is_both(self) -> SafetyPolicy:
        if both := sorted(set(self.cleared) & set(self.blocked)):
            raise ValueError(f"cleared and blocked at once: {', '.join(both[:5])}")
        return self

    def allows_unknown(self, category: SafetyCategory) -> bool:
        """Whether a creator passes of whom this category is not known."""
        return self.unknown == "allow" or category in self.allow_unknown
