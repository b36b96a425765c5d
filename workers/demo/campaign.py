"""A campaign of one brand: the decisions and outcomes that the demo publishes, and the match before and after."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

IMPRESSIONS, CLICKS, CONVERSIONS, REFUNDS = 20_000, 60, 30, 2


def decisions(run: str, brand_id: str, match_id: str, creator_id: str, now: datetime) -> list[dict[str, Any]]:
    """The brand looked at the shortlist, opened the creator and booked them."""
    seen = {"brand_id": brand_id, "match_id": match_id, "occurred_at": now.isoformat()}
    return [
        {"type": "ShortlistViewed", "event_id": f"{run}-viewed", **seen},
        {"type": "CreatorOpened", "event_id": f"{run}-opened", "creator_id": creator_id, **seen},
        {
            "type": "CreatorBooked",
            "event_id": f"{run}-booked",
            "creator_id": creator_id,
            "campaign_id": f"campaign-{run}",
            **seen,
        },
    ]


def outcomes(run: str, brand_id: str, creator_id: str, now: datetime) -> list[dict[str, Any]]:
    """What consumers did: a campaign that converts well, with two refunds."""
    of_campaign = {"brand_id": brand_id, "campaign_id": f"campaign-{run}", "creator_id": creator_id}

    def event(kind: str, name: str, **fields: object) -> dict[str, Any]:
        return {"type": kind, "event_id": f"{run}-{name}", "occurred_at": now.isoformat(), **of_campaign, **fields}

    window = {"window_start": (now - timedelta(hours=1)).isoformat(), "window_end": now.isoformat()}
    return [
        event("ImpressionsCounted", "impressions", impressions=IMPRESSIONS, **window),
        *(event("Clicked", f"click-{n}") for n in range(CLICKS)),
        *(event("Converted", f"conversion-{n}", value=49.0) for n in range(CONVERSIONS)),
        *(event("Refunded", f"refund-{n}", value=49.0, refunds=f"{run}-conversion-{n}") for n in range(REFUNDS)),
    ]


def rank_of(answer: Mapping[str, Any], creator_id: str) -> int | None:
    """The creator's rank in an answer; None where they are not in it."""
    return next((int(hit["rank"]) for hit in answer["hits"] if hit["creator_id"] == creator_id), None)
