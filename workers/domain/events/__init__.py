"""Every event of Streamscout, one type each: the source of truth for ``schemas/*.avsc`` and the wire."""

from __future__ import annotations

from workers.domain.events.creators import CreatorUpdated, Facet, NotablePost
from workers.domain.events.dead_letters import DeadLetterResolved
from workers.domain.events.embeddings import PostEmbedded, PostRetracted, ProfileEmbedded
from workers.domain.events.envelope import Event, Record
from workers.domain.events.matching import (
    Aspect,
    BrandBriefed,
    CreatorBooked,
    CreatorOpened,
    CreatorShortlisted,
    Decision,
    MatchServed,
    Shortlisted,
    ShortlistViewed,
)
from workers.domain.events.outcomes import Clicked, Converted, ImpressionsCounted, Outcome, Refunded
from workers.domain.events.policies import SAFETY_CATEGORIES, SafetyCategory, SafetyPolicy, SafetyRule
from workers.domain.events.posts import (
    CreatorErased,
    CreatorReinstated,
    ErasureExecuted,
    ErasureRecorded,
    Media,
    PostPublished,
    PostRemoved,
)
from workers.domain.events.profiles import Audience, CreatorProfiled, Price, Profile
from workers.domain.events.safety import SafetyRevised
from workers.domain.events.signals import (
    CategoryObserved,
    FeedbackSignalled,
    RerankerPromoted,
    Statistics,
    TrainingExample,
)

EVENT_TYPES: tuple[type[Event], ...] = (
    PostPublished,
    PostRemoved,
    CreatorErased,
    CreatorReinstated,
    ErasureRecorded,
    ErasureExecuted,
    CreatorProfiled,
    BrandBriefed,
    PostEmbedded,
    PostRetracted,
    ProfileEmbedded,
    CreatorUpdated,
    MatchServed,
    ShortlistViewed,
    CreatorOpened,
    CreatorShortlisted,
    CreatorBooked,
    ImpressionsCounted,
    Clicked,
    Converted,
    Refunded,
    FeedbackSignalled,
    CategoryObserved,
    TrainingExample,
    RerankerPromoted,
    DeadLetterResolved,
    SafetyRevised,
)
EVENT_BY_TYPE: dict[str, type[Event]] = {event.type_name(): event for event in EVENT_TYPES}

__all__ = [
    "EVENT_BY_TYPE",
    "EVENT_TYPES",
    "SAFETY_CATEGORIES",
    "Aspect",
    "Audience",
    "BrandBriefed",
    "CategoryObserved",
    "Clicked",
    "Converted",
    "CreatorBooked",
    "CreatorErased",
    "CreatorOpened",
    "CreatorProfiled",
    "CreatorReinstated",
    "CreatorShortlisted",
    "CreatorUpdated",
    "DeadLetterResolved",
    "Decision",
    "ErasureExecuted",
    "ErasureRecorded",
    "Event",
    "Facet",
    "FeedbackSignalled",
    "ImpressionsCounted",
    "MatchServed",
    "Media",
    "NotablePost",
    "Outcome",
    "PostEmbedded",
    "PostPublished",
    "PostRemoved",
    "PostRetracted",
    "Price",
    "Profile",
    "ProfileEmbedded",
    "Record",
    "Refunded",
    "RerankerPromoted",
    "SafetyCategory",
    "SafetyPolicy",
    "SafetyRevised",
    "SafetyRule",
    "ShortlistViewed",
    "Shortlisted",
    "Statistics",
    "TrainingExample",
]
