"""Nothing of an erased creator is shown, from the moment that the erasure is answered."""

from __future__ import annotations

import httpx
from structlog.testing import capture_logs

from tests.unit.match.world import MODEL, NOW, World, axis
from workers.domain.erasure import recorded
from workers.domain.events import CreatorErased, FeedbackSignalled, Statistics
from workers.domain.ids import creator_object_id
from workers.match.visible import VisibleIndex


def two_creators(world: World) -> None:
    """Who post the same; one brand has a signal of each."""
    for creator in ("ann", "bob"):
        world.post(f"of-{creator}", creator, visual="bread", caption="bread")
        world.creator(creator, {"bread": 1.0})
        statistics = Statistics(landmark=NOW, half_life_days=90)
        signal = FeedbackSignalled(brand_id="rye", creator_id=creator, statistics=statistics, events=1, last_at=NOW)
        world.signals.put(signal)
    world.brand("rye", "bread")


async def shown(api: httpx.AsyncClient) -> dict[str, object]:
    """What every call that reads shows of ann."""
    hits = (await api.get("/v1/search", params={"q": "bread"})).json()["hits"]
    served = (await api.post("/v1/match", json={"brand_id": "rye"})).json()["hits"]
    alike = (await api.get("/v1/creators/bob/similar")).json()["hits"]
    return {
        "search": sorted(hit["creator_id"] for hit in hits),
        "match": sorted(hit["creator_id"] for hit in served),
        "similar": [hit["creator_id"] for hit in alike],
        "creator": (await api.get("/v1/creators/ann")).status_code,
        "look-alikes of": (await api.get("/v1/creators/ann/similar")).status_code,
        "post": (await api.get("/v1/posts/of-ann")).status_code,
    }


async def test_an_erased_creator_is_not_shown_though_the_index_still_has_it(
    api: httpx.AsyncClient, world: World
) -> None:
    """Search, match, look-alikes, creators and posts; the others stay."""
    two_creators(world)
    both = ["ann", "bob"]
    assert await shown(api) == {
        "search": both,
        "match": both,
        "similar": ["ann"],
        "creator": 200,
        "look-alikes of": 200,
        "post": 200,
    }
    assert (await api.delete("/v1/creators/ann")).status_code == 202
    assert await shown(api) == {
        "search": ["bob"],
        "match": ["bob"],
        "similar": [],
        "creator": 404,
        "look-alikes of": 404,
        "post": 404,
    }


async def test_only_a_reinstatement_brings_a_creator_back(api: httpx.AsyncClient, world: World) -> None:
    """A post does not; it is taken, so that nobody learns from the answer who asked to be erased."""
    two_creators(world)
    await api.delete("/v1/creators/ann")
    post = {"post_id": "p9", "creator_id": "ann", "revision": 1, "platform": "x", "url": "https://x/p9"}
    answer = await api.post("/v1/posts", json={**post, "published_at": NOW.isoformat()})
    assert answer.status_code == 202
    assert (await api.get("/v1/creators/ann")).status_code == 404
    back = {"type": "CreatorReinstated", "creator_id": "ann", "requested_at": "2026-03-01T13:00:00Z"}
    assert (await api.post("/v1/posts", json=back)).status_code == 202
    assert (await api.get("/v1/creators/ann")).status_code == 200


async def test_an_erasure_is_later_than_whatever_was_said_before(api: httpx.AsyncClient, world: World) -> None:
    """Also where a clock was ahead: what is asked for last stands. A creator that nobody knows is erased too."""
    ahead = {"type": "CreatorReinstated", "creator_id": "ann", "requested_at": "2026-03-01T15:00:00Z"}
    await api.post("/v1/posts", json=ahead)
    answer = await api.delete("/v1/creators/ann")
    assert answer.status_code == 202
    assert all("ann" not in name for name in answer.json()["ids"])
    *_, (_, _, event) = world.outbox.published
    assert isinstance(event, CreatorErased)
    assert event.requested_at > NOW
    assert world.erasures.erased("ann")


async def test_an_erasure_that_kafka_did_not_take_hides_nobody(api: httpx.AsyncClient, world: World) -> None:
    """503: nothing has happened, and a repeat is safe."""
    world.outbox.gone = True
    assert (await api.delete("/v1/creators/ann")).status_code == 503
    assert not world.erasures.erased("ann")


async def test_a_call_that_is_not_served_is_logged_by_its_route(api: httpx.AsyncClient, world: World) -> None:
    """A log outlives an erasure: the path that was asked for names the creator."""
    world.index.gone = True
    with capture_logs() as logs:
        assert (await api.get("/v1/creators/ann")).status_code == 503
    assert [each["call"] for each in logs] == ["/v1/creators/{creator_id}"]
    assert "ann" not in str(logs)


async def test_whose_an_object_is_is_asked_for_even_where_the_asker_does_not_care(world: World) -> None:
    """Otherwise nobody could tell that it is not to be shown."""
    two_creators(world)
    world.erasures.put(recorded(CreatorErased(creator_id="ann", requested_at=NOW), world.erasures.key))
    index = VisibleIndex(world.index, world.erasures)
    near = await index.near("Facet", axis("bread"), limit=9, properties=("share",))
    assert [dict(each.object.properties) for each in near] == [{"creator_id": "bob", "share": 1.0}]
    kept = await index.matching("Facet", (), limit=9, properties=())
    assert [dict(each.properties) for each in kept] == [{"creator_id": "bob"}]
    ids = [creator_object_id(creator, MODEL) for creator in ("ann", "bob")]
    assert list(await index.fetch("Creator", ids, properties=("name",))) == ids[1:]
