"""Erasure with the whole fleet, two processes of a kind: everywhere, in order, for good; only reinstated it is back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from rich.console import Console

from tests.acceptance.test_kill import stored
from tests.acceptance.test_verify import Damage, dumped, saying, seen, verified
from tests.fakes.media import MediaHost
from tests.leftovers import kept_for_a_time, places
from tests.storm.events import Sent
from tests.storm.stage import WORKERS, Stage
from tests.topics import newest, read_topic
from tests.waiting import eventually
from workers.adapters.registry import build_codec
from workers.config import Settings
from workers.creators.rows import post_key
from workers.domain.erasure import recorded
from workers.domain.events import (
    Clicked,
    CreatorBooked,
    CreatorErased,
    CreatorProfiled,
    ErasureExecuted,
    Media,
    PostPublished,
)
from workers.domain.ids import bio_object_id, creator_object_id, facet_id, post_object_id, visual_id
from workers.domain.model_card import load_model_card
from workers.domain.partitioning import partition_of
from workers.domain.topics import topic_name
from workers.outcomes.facts import pair_prefix
from workers.process.erasures import erasure_key
from workers.stack.fleet import Fleet
from workers.stack.progress import Board
from workers.wire.cloudevents import Wire
from workers.wire.records import OutRecord

NOW = datetime.now(UTC).replace(microsecond=0)
ADA, BOB, CARL, BRAND = "creator-ada-51c7", "creator-bob-88e2", "creator-carl-07d1", "brand-1"
POSTS = [f"post-{number}-ada" for number in range(6)]
SLOW, BROKEN, LATE = "post-slow-ada", "post-broken-ada", "post-late-ada"
NAME, BIO = "Ada of the Cups", "Espresso, ceramics and the adagio of mornings"
CAMPAIGN = {"brand_id": BRAND, "campaign_id": "campaign-1", "occurred_at": NOW}
FILLED = ("Visual", "Post", "Facet", "Creator", "Bio")
HIS = [f"post-{number}-bob" for number in range(3)]
TWICE = ("embedder", "indexer", "outcomes")
SLOW_SECONDS = 4


@pytest.fixture
def settings(new_settings: Callable[..., Settings]) -> Settings:
    """A world whose pictures may lie on this machine, and in which what waits for a host waits on a topic."""
    return new_settings(
        media_private_hosts=True, retry_topic_seconds=0.5, retry_seconds=0.3, shutdown_seconds=10.0, breaker_least=1000
    )


@pytest.fixture
def host() -> Iterator[MediaHost]:
    """A host of one picture, which is busy when it is asked for the first time."""
    with MediaHost() as made:
        yield made


@pytest.fixture
def stage(stack: Settings, settings: Settings, tmp_path: Path) -> Iterator[Stage]:
    """The workers, supervised, one of each; more may come. Logs lie in ``logs``."""
    (tmp_path / "logs").mkdir()
    made = Stage(stack, settings, tmp_path / "logs")
    try:
        for worker in WORKERS:
            made.start(worker)
        yield made
    finally:
        made.close()


@pytest.fixture
def api(settings: Settings) -> Iterator[httpx.Client]:
    """The match API as a process of its own."""
    with Board(Console(file=StringIO())) as board:
        fleet = Fleet(settings, board)
        url = fleet.start(["match"])["match"]
        with httpx.Client(base_url=url, timeout=30) as client:
            yield client
        fleet.stop(grace=20)


def post(settings: Settings, creator: str, post_id: str, picture: str | None = None, revision: int = 1) -> Sent:
    """A post with a picture of its own; what it says is said nowhere else."""
    assert settings.media_root is not None
    if picture is None:
        file = settings.media_root / f"{post_id}.png"
        artwork = sorted((settings.model_repository / "sample_artwork").glob("*.png"))
        file.write_bytes(artwork[sum(post_id.encode()) % 30].read_bytes())
        picture = file.as_uri()
    event = PostPublished(
        post_id=post_id,
        creator_id=creator,
        revision=revision,
        platform="web",
        url=f"https://posts.example/{post_id}",
        published_at=NOW - timedelta(days=1),
        caption=f"caption of {post_id}",
        media=(Media(url=picture, kind="image", alt_text=f"alt of {post_id}"),),
    )
    return Sent("posts", event)


def profile(creator: str, name: str, bio: str) -> Sent:
    """A creator's profile."""
    return Sent("profiles", CreatorProfiled(creator_id=creator, revision=1, name=name, bio=bio, followers=9))


def campaign(creator: str, match_id: str) -> list[Sent]:
    """A booking from a match, and a click that came of it."""
    booked = CreatorBooked(event_id=f"booked-{creator}", match_id=match_id, creator_id=creator, **CAMPAIGN)
    clicked = Clicked(event_id=f"clicked-{creator}", creator_id=creator, **CAMPAIGN)
    return [Sent("decisions", booked), Sent("outcomes", clicked)]


def names_of_ada(settings: Settings, picture: str) -> list[str]:
    """Whatever only she has: ids, words, addresses, and the ids of objects, which anyone can compute from her own."""
    model = load_model_card(settings.model_repository).model_version
    posts = [*POSTS, SLOW, BROKEN, LATE]
    ids = [creator_object_id(ADA, model), bio_object_id(ADA, model)]
    ids += [made for each in posts for made in (post_object_id(each, model), facet_id(ADA, each, model))]
    ids += [visual_id(each, 0, 0, model) for each in posts]
    return [ADA, NAME, BIO, picture, *posts, *map(str, ids)]


def plant_everywhere(settings: Settings, stage: Stage) -> None:
    """Her id on every topic that keeps what lies there for a time: as a stranger's record, of no use to any reader."""
    event = post(settings, ADA, BROKEN).event
    stage.send([Sent(topic, event, value=b"?" + ADA.encode()) for topic in kept_for_a_time()])
    stage.delivered()


def answers(api: httpx.Client, posts: list[str]) -> str:
    """Whatever the API tells of anybody, when nobody names her."""
    calls = [
        api.get("/v1/search", params={"q": "caption of a post", "limit": 100}),
        api.post("/v1/match", json={"brief": "espresso and ceramics", "brand_id": BRAND, "explain": True}),
        api.get(f"/v1/creators/{BOB}", params={"vectors": True}),
        api.get(f"/v1/creators/{BOB}/similar"),
        api.get("/v1/brands"),
        api.get("/metrics"),
    ]
    told = [call.text for call in calls]
    asked = [api.get(f"/v1/creators/{ADA}"), api.get(f"/v1/creators/{ADA}/similar")]
    asked += [api.get(f"/v1/posts/{each}") for each in posts]
    # Of what is asked for by name, only that it is not known.
    return "\n".join(told + [call.text for call in asked if call.status_code != 404])


def everything_told(api: httpx.Client, names: list[str]) -> list[str]:
    """What the API says of her."""
    told = answers(api, [*POSTS, SLOW, BROKEN, LATE])
    return [name for name in names if name in told]


def everything_of(settings: Settings, api: httpx.Client, logs: Path, names: list[str]) -> dict[str, str]:
    """Where she is named: in all that is kept, and in all that the API answers."""
    found = places(settings, names, logs)
    if spoken := everything_told(api, names):
        found["API"] = spoken[0]
    return found


def test_an_erasure_reaches_everything_and_only_a_reinstatement_brings_the_creator_back(
    settings: Settings, stage: Stage, api: httpx.Client, host: MediaHost, tmp_path: Path
) -> None:
    """With a second process of a kind that comes and a first that goes, a kill -9 between, and events that come late.

    Everything that the world keeps is looked through, whatever topics and collections there are. What an indexer missed
    of another one, who was erased long ago, goes when the next one starts; other leftovers ``verify --repair`` finds.
    """
    logs = tmp_path / "logs"
    slow = f"{host.url}/slow-of-ada.png"
    names = names_of_ada(settings, slow)
    told = she_is_everywhere(settings, stage, api, host, slow)
    before = everything_of(settings, api, logs, names)
    assert {"API", "dump", *(f"collection {name}" for name in FILLED)} <= before.keys()
    assert {"topic creators", "topic signals", "topic creators.changelog", "topic outcomes.changelog"} <= before.keys()

    late = [profile(ADA, NAME, BIO), *told, post(settings, ADA, LATE), post(settings, ADA, POSTS[0], revision=3)]
    long_ago(settings, stage)
    for worker in TWICE:
        stage.start(worker)
    stage.send([post(settings, ADA, each, revision=2) for each in POSTS[:2]])
    assert api.delete(f"/v1/creators/{ADA}").status_code == 202
    assert everything_told(api, names) == []
    stage.kill("embedder")
    stage.kill("outcomes")
    stage.send(late)
    stage.ready()
    for one in [stage.one(worker) for worker in TWICE]:
        assert stage.stop_one(one) == 0
    stage.send(late)
    stage.delivered()
    eventually(lambda: len(read_topic(settings, "audit")) >= 2, 60, "both deletions are in the audit")
    stage.quiet()
    after = everything_of(settings, api, logs, names)
    assert after.keys() == {f"topic {topic}" for topic in kept_for_a_time()}, after
    assert audited(settings) == {erasure_key(settings).hash(ADA)}

    assert indexed(settings, CARL) == []
    found_and_mended(settings)

    back = {"type": "CreatorReinstated", "creator_id": ADA, "requested_at": datetime.now(UTC).isoformat()}
    assert api.post("/v1/posts", json=back).status_code == 202
    stage.send([post(settings, ADA, "post-new-ada")])
    eventually(lambda: api.get(f"/v1/creators/{ADA}").status_code == 200, 60, "she is back")
    assert api.get(f"/v1/creators/{ADA}").json()["posts"] == 1
    assert [row["post_id"] for row in stored(settings, "Post") if row["creator_id"] == ADA] == ["post-new-ada"]
    assert list(verified(settings).differences) == []


def she_is_everywhere(settings: Settings, stage: Stage, api: httpx.Client, host: MediaHost, slow: str) -> list[Sent]:
    """Posts, a profile, a shortlist, a signal, a dead letter, one that waits; her id on every topic. The campaigns."""
    assert settings.media_root is not None
    broken = settings.media_root / "broken.png"
    broken.write_bytes(b"no picture")
    host.answers["/slow-of-ada.png"] = (503, {"Retry-After": str(SLOW_SECONDS)}, b"")
    hers = [profile(ADA, NAME, BIO), *(post(settings, ADA, each) for each in POSTS)]
    his = [profile(BOB, "Bob", "tea and plates"), *(post(settings, BOB, each) for each in HIS)]
    brief = {"type": "BrandBriefed", "brand_id": BRAND, "revision": 1, "name": "A brand", "brief": "espresso"}
    assert api.post("/v1/brands", json=brief).status_code == 202
    stage.ready()
    stage.send([*hers, *his, post(settings, ADA, BROKEN, broken.as_uri()), post(settings, ADA, SLOW, slow)])
    eventually(lambda: api.get(f"/v1/creators/{ADA}").json().get("posts") == len(POSTS), 60, "she is in")
    eventually(lambda: api.get(f"/v1/creators/{BOB}").json().get("posts") == len(HIS), 60, "he is in")
    eventually(lambda: api.get(f"/v1/posts/{BROKEN}").json().get("state") == "dead", 30, "one of hers is dead")
    shortlist = api.post("/v1/match", json={"brand_id": BRAND}).json()
    assert {hit["creator_id"] for hit in shortlist["hits"]} == {ADA, BOB}
    told = [*campaign(ADA, shortlist["match_id"]), *campaign(BOB, shortlist["match_id"])]
    stage.send(told)
    eventually(lambda: api.get(f"/v1/creators/{ADA}").json()["outcomes"], 30, "she has a signal")
    plant_everywhere(settings, stage)
    host.answers["/slow-of-ada.png"] = (200, {}, (settings.media_root / f"{POSTS[0]}.png").read_bytes())
    return told


def audited(settings: Settings) -> set[str]:
    """Of whom the audit tells."""
    wire = Wire(build_codec(settings), "tests", settings.namespace)
    return {wire.read(record, (ErasureExecuted,)).creator_hash for record in read_topic(settings, "audit")}


def long_ago(settings: Settings, stage: Stage) -> None:
    """One who is erased, of whom ``creators`` has no tombstone any more, and still has objects of the indexer's."""
    put_back(settings, CARL, ("facet", "creator", "bio"))
    erased = CreatorErased(creator_id=CARL, requested_at=NOW - timedelta(days=9))
    stage.send([Sent("erasures", recorded(erased, erasure_key(settings)))])
    stage.delivered()
    assert indexed(settings, CARL) == ["Facet", "Creator", "Bio"]


def put_back(settings: Settings, creator: str, kinds: Sequence[str]) -> dict[str, UUID]:
    """Put objects of a creator who is gone into the store, made of his; their ids by kind."""
    damage = Damage(settings, load_model_card(settings.model_repository).model_version)
    facets = (
        UUID(id_) for (kind, id_), one in dumped(settings).items() if kind == "facet" and one["creator_id"] == BOB
    )
    his = {"facet": next(facets)}
    his |= ids_of(BOB, HIS[0], damage.model, ("visual", "post", "creator", "bio"))
    leftovers = ids_of(creator, POSTS[0], damage.model, kinds)
    for kind, id_ in leftovers.items():
        said = {"creator_id": creator} | ({"post_id": POSTS[0]} if kind in ("visual", "post") else {})
        damage.change(kind.capitalize(), his[kind], saying(**said), to=id_)
    return leftovers


def ids_of(creator: str, post_id: str, model: str, kinds: Sequence[str]) -> dict[str, UUID]:
    """The ids of objects by kind."""
    every = {
        "visual": visual_id(post_id, 0, 0, model),
        "post": post_object_id(post_id, model),
        "facet": facet_id(creator, post_id, model),
        "creator": creator_object_id(creator, model),
        "bio": bio_object_id(creator, model),
    }
    return {kind: every[kind] for kind in kinds}


def indexed(settings: Settings, creator: str) -> list[str]:
    """The collections that hold something of a creator."""
    return [name for name in FILLED if any(row["creator_id"] == creator for row in stored(settings, name))]


def left_by_him(settings: Settings) -> list[OutRecord]:
    """His rows under her id, on the changelogs of both keyed workers: a post, and a fact."""
    records = []
    creators = partition_of(ADA.encode(), 4)
    for worker, prefix in (("creators", post_key(BOB, HIS[0])), ("outcomes", pair_prefix(BRAND, BOB))):
        changelog = f"{worker}.changelog"
        row = next(record for record in read_topic(settings, changelog) if (record.key or b"").startswith(prefix))
        hers = (row.key or b"").replace(BOB.encode(), ADA.encode())
        partition = creators if worker == "creators" else row.position.partition
        records.append(OutRecord(topic_name(settings.namespace, changelog), hers, row.value, partition=partition))
    return records


def found_and_mended(settings: Settings) -> None:
    """Nothing is wrong after an erasure; leftovers in every store are found as what they are, and go."""
    report = verified(settings)
    assert (list(report.differences), list(report.in_flight)) == ([], [])
    leftovers = put_back(settings, ADA, ("visual", "post", "facet", "creator", "bio"))
    damage = Damage(settings, load_model_card(settings.model_repository).model_version)
    signal = newest(settings, "signals")[f"{BRAND}|{BOB}"]
    hers = signal.model_copy(update={"creator_id": ADA})
    rows = left_by_him(settings)
    damage.send(damage.wire().record("signals", hers, id="leftover", time=NOW), *rows)
    report = verified(settings, repair=True)
    expected = {("extra", kind, str(id_)) for kind, id_ in leftovers.items()}
    expected |= {("extra", "signal", f"{BRAND}|{ADA}"), ("extra", "fact", f"{BRAND}|{ADA}")}
    expected.add(("extra", "row", f"{ADA}/{HIS[0]}"))
    assert seen(list(report.found)) == expected
    assert list(report.differences) == []
    kept = {f"topic {topic}" for topic in kept_for_a_time()}
    assert places(settings, [ADA]).keys() == kept
