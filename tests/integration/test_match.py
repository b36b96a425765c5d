"""The match API on real Kafka, Schema Registry, Triton and Weaviate: in its own process's shape, over HTTP."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from tests.conftest import remove_world
from tests.waiting import eventually, eventually_async
from workers.adapters.kafka import KafkaProducer
from workers.adapters.registry import build_codec
from workers.adapters.triton import TritonEncoder
from workers.adapters.weaviate.connection import connect
from workers.adapters.weaviate.objects import ObjectStore
from workers.adapters.weaviate.schema import load_collections
from workers.adapters.whole_topic import WholeTopics
from workers.config import REPOSITORY, Settings
from workers.domain.events import (
    Audience,
    BrandBriefed,
    CreatorErased,
    ErasureRecorded,
    Event,
    FeedbackSignalled,
    MatchServed,
    PostPublished,
    Profile,
    Statistics,
)
from workers.domain.feedback import decay_factor
from workers.domain.filters import filter_fields
from workers.domain.ids import bio_object_id, creator_object_id, facet_id, post_object_id, visual_id
from workers.domain.model_card import ModelCard, load_model_card
from workers.domain.stored import StoredObject
from workers.domain.topics import topic_name
from workers.domain.vectors import Array, centre
from workers.evaluate.cli import evaluate
from workers.match import retrieval
from workers.match.client import ApiClient, ApiRefusedError, ApiUnavailable, find_api
from workers.match.keys import Scope, new_key, write_keys
from workers.match.main import serving
from workers.process.erasures import following_erasures
from workers.stack.setup import prepare_world
from workers.wire.cloudevents import Wire
from workers.wire.records import InRecord, OutRecord

NOW = datetime.now(UTC)
CAPTIONS = {"cake": "a birthday cake", "ball": "a football", "cat": "a cat"}


@pytest.fixture(scope="module")
def settings(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """One world for all tests here: what they write does not meet."""
    folder = tmp_path_factory.mktemp("match")
    update = {"namespace": f"m{os.getpid()}", "data_dir": folder / "data", "media_root": folder}
    world = stack.model_copy(update=update)
    prepare_world(world)
    try:
        yield world
    finally:
        remove_world(world)


@pytest.fixture(scope="module")
def card(settings: Settings) -> ModelCard:
    """The bundled model's."""
    return load_model_card(settings.model_repository)


async def captions(settings: Settings, card: ModelCard, texts: Sequence[str]) -> Array:
    """Caption vectors as the embedder makes them."""
    async with TritonEncoder(str(settings.triton_url), card) as encoder:
        return centre(await encoder.encode_texts(texts), np.array(card.centring_means.caption)).astype(np.float32)


def post_objects(name: str, vector: Array, version: str) -> tuple[StoredObject, StoredObject]:
    """A post whose picture shows what its caption says."""
    shared = {
        "post_id": name,
        "creator_id": f"creator-{name}",
        "revision": 1,
        "platform": "tiktok",
        "published_at": NOW,
        "model_version": version,
    }
    place = {"position": 0, "timestamp_ms": 0, "media_url": f"https://pictures.example/{name}.png"}
    whole = {"removed": False, "complete": True, "caption": CAPTIONS[name], "url": f"https://posts.example/{name}"}
    return (
        StoredObject(visual_id(name, 0, 0, version), {**shared, **place}, {"visual": vector}),
        StoredObject(post_object_id(name, version), {**shared, **whole}, {"caption": vector}),
    )


def creator_objects(
    creator: str, facets: Sequence[tuple[str, float, Array]], version: str, women: float
) -> tuple[StoredObject, list[StoredObject]]:
    """A creator with facets (the post that opened each, its share, its vector)."""
    audience = Audience(gender={"women": women}, country={"AT": women})
    profile = Profile(name=creator, platforms=("tiktok",), followers=int(1000 * women), audience=audience)
    shared = {"creator_id": creator, "model_version": version, **filter_fields(profile, NOW)}
    stored = [
        StoredObject(
            facet_id(creator, post, version),
            {
                **shared,
                "facet_id": str(facet_id(creator, post, version)),
                "share": share,
                "posts": 5,
                "exemplar_post_id": post,
                "creator_revision": 3,
                "last_at": NOW,
            },
            {"facet": vector},
        )
        for post, share, vector in facets
    ]
    whole = {"revision": 3, "posts": 10, "name": creator, "profile_json": profile.model_dump_json()}
    return StoredObject(creator_object_id(creator, version), {**shared, **whole}), stored


@pytest.fixture(scope="module")
def filled(settings: Settings, card: ModelCard) -> None:
    """Three posts, three creators and one without facets in Weaviate, as embedder and indexer write them."""
    asyncio.run(fill(settings, card))


async def fill(settings: Settings, card: ModelCard) -> None:
    """Write them."""
    vectors = dict(zip(CAPTIONS, await captions(settings, card, list(CAPTIONS.values())), strict=True))
    version = card.model_version
    async with connect(settings) as client:
        store = ObjectStore(client, settings.namespace, version)
        for name, vector in vectors.items():
            visual, post = post_objects(name, vector, version)
            assert await store.upsert("Visual", [visual]) == await store.upsert("Post", [post]) == [None]
        for creator, main, women in (("ann", "cake", 0.8), ("bea", "cake", 0.3), ("cid", "ball", 0.5)):
            facets = [(main, 0.8, vectors[main]), ("cat", 0.2, vectors["cat"])]
            whole, parts = creator_objects(creator, facets, version, women)
            assert await store.upsert("Creator", [whole]) == [None]
            assert await store.upsert("Facet", parts) == [None, None]
        bio = {"creator_id": "ann", "model_version": version, "revision": 3}
        ann = StoredObject(bio_object_id("ann", version), bio, {"bio": vectors["cake"]})
        assert await store.upsert("Bio", [ann]) == [None]
        nothing_yet = {"creator_id": "dan", "model_version": version, "revision": 1}
        dan = StoredObject(creator_object_id("dan", version), nothing_yet)
        assert await store.upsert("Creator", [dan]) == [None]


@pytest.fixture
async def api(settings: Settings, filled: None) -> AsyncIterator[httpx.AsyncClient]:
    """The API, ready, with a client."""
    async with (
        serving(settings, asyncio.Event()) as url,
        httpx.AsyncClient(base_url=url, timeout=30, trust_env=False) as client,
    ):

        async def ready() -> bool:
            return (await client.get("/readyz")).status_code == 200

        await eventually_async(ready, message="the API is ready")
        yield client


@pytest.fixture(scope="module")
def wire(settings: Settings) -> Wire:
    """Events as our workers write them."""
    return Wire(build_codec(settings), "test", settings.namespace)


def publish(settings: Settings, wire: Wire, topic: str, *events: Event) -> None:
    """Put events on Kafka, acknowledged."""
    producer = KafkaProducer(settings)
    for number, event in enumerate(events):
        producer.send(wire.record(topic, event, id=str(number), time=NOW)).result(60)
    producer.close()


def lying_on(settings: Settings, topic: str) -> list[InRecord]:
    """Every record of a topic."""
    reader = WholeTopics(settings, [topic_name(settings.namespace, topic)])
    records: list[InRecord] = []

    def read() -> bool:
        record = reader.poll(0.1)
        if record is not None:
            records.append(record)
        return reader.caught_up()

    eventually(read, message=f"{topic} is read")
    reader.close()
    return records


async def matched(api: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    """A match's answer."""
    answer = await api.post("/v1/match", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def who(answer: dict[str, Any]) -> list[str]:
    """The creators, in order."""
    return [hit["creator_id"] for hit in answer["hits"]]


async def test_words_find_the_post_that_says_them(api: httpx.AsyncClient) -> None:
    """Through Triton and Weaviate, with both scores."""
    for name, caption in CAPTIONS.items():
        answer = await api.get("/v1/search", params={"q": caption, "platform": "tiktok"})
        first = answer.json()["hits"][0]
        assert first["post_id"] == name
        assert first["visual"]["url"] == f"https://pictures.example/{name}.png"
        assert first["score"] == pytest.approx((first["visual_score"] + first["caption_score"]) / 2)
    assert (await api.get("/v1/search", params={"q": "cake", "platform": "youtube"})).json()["hits"] == []


async def test_a_picture_is_searched_with(api: httpx.AsyncClient, tmp_path: Path) -> None:
    """Encoded by the picture tower; what comes first is the model's affair."""
    path = tmp_path / "a.png"
    Image.new("RGB", (64, 48), "orange").save(path)
    answer = await api.post("/v1/search", files={"image": ("a.png", path.read_bytes(), "image/png")})
    assert len(answer.json()["hits"]) == 3


async def test_a_signal_published_now_moves_the_next_match(
    api: httpx.AsyncClient, settings: Settings, wire: Wire
) -> None:
    """The brand's brief and its signals come from Kafka, without a restart."""
    publish(
        settings,
        wire,
        "brands",
        BrandBriefed(brand_id="rye", revision=2, name="Rye", brief="birthday cake", competitors=("oat",)),
        BrandBriefed(brand_id="rye", revision=1, name="Rye", brief="football"),
    )

    async def known() -> bool:
        return (await api.get("/v1/brands/rye")).status_code == 200

    await eventually_async(known)
    before = await matched(api, brand_id="rye")
    assert who(before) == ["ann", "bea", "cid"]
    weight = decay_factor(settings.landmark, 90.0, NOW)
    good = Statistics(
        landmark=settings.landmark, half_life_days=90.0, impressions=5000 * weight, conversions=20 * weight
    )
    publish(
        settings,
        wire,
        "signals",
        FeedbackSignalled(brand_id="rye", creator_id="bea", statistics=good, events=21, last_at=NOW),
    )

    async def moved() -> bool:
        return who(await matched(api, brand_id="rye"))[:2] == ["bea", "ann"]

    await eventually_async(moved, message="bea comes first")
    (told,) = (await api.get("/v1/creators/bea")).json()["outcomes"]
    assert told["brand_id"] == "rye"
    assert told["posterior"]["lift"] > 1


async def test_every_answered_match_lies_on_its_topic(api: httpx.AsyncClient, settings: Settings, wire: Wire) -> None:
    """With the shortlist that was served."""
    answer = await matched(api, brief="birthday cake", limit=2, filters={"audience": {"country": {"AT": 0.4}}})
    assert who(answer) == ["ann", "cid"]
    assert answer["filtered_out"] == {"audience.country.AT": 1}
    records = await asyncio.to_thread(lying_on, settings, "matches")
    events = {event.match_id: event for event in (wire.read(record, (MatchServed,)) for record in records)}
    event = events[answer["match_id"]]
    assert [one.creator_id for one in event.shortlist] == ["ann", "cid"]


async def test_filters_are_the_stores_own(api: httpx.AsyncClient) -> None:
    """Counted over the whole index."""
    answer = await matched(
        api, brief="cake", filters={"audience": {"gender": {"women": 0.4}}, "followers": {"max": 600}}
    )
    assert who(answer) == ["cid"]
    assert answer["filtered_out"] == {"followers": 2, "audience.gender.women": 2}


async def test_events_given_over_http_lie_on_kafka_as_given(
    api: httpx.AsyncClient, settings: Settings, wire: Wire
) -> None:
    """All of a list, or none of it."""
    post = {
        "post_id": "p1",
        "creator_id": "ann",
        "revision": 1,
        "platform": "tiktok",
        "url": "https://posts.example/p1",
        "published_at": "2026-02-01T10:00:00Z",
    }
    refused = await api.post("/v1/posts", json=[{**post, "post_id": "p0"}, {**post, "revision": "new"}])
    assert refused.status_code == 422
    taken = await api.post("/v1/posts", json=[post, {**post, "post_id": "p2"}])
    assert taken.status_code == 202
    assert len(taken.json()["ids"]) == 2
    records = await asyncio.to_thread(lying_on, settings, "posts")
    assert {record.key for record in records} == {b"ann"}
    posts = [record for record in records if dict(record.headers)["ce_type"].endswith(b"PostPublished")]
    assert [wire.read(record, (PostPublished,)).post_id for record in posts] == ["p1", "p2"]


async def test_an_erasure_lies_on_three_topics_and_hides_the_creator_from_every_process(
    api: httpx.AsyncClient, settings: Settings, wire: Wire
) -> None:
    """By keyed hash on ``erasures``, a copy in each partition of ``outcomes``, in order on ``posts``."""
    assert (await api.delete("/v1/creators/eve")).status_code == 202
    (recorded,) = await asyncio.to_thread(lying_on, settings, "erasures")
    assert wire.read(recorded, (ErasureRecorded,)).erased
    assert b"eve" not in repr(recorded).encode()
    copies = [each for each in await asyncio.to_thread(lying_on, settings, "outcomes") if each.key == b"eve"]
    assert sorted(copy.position.partition for copy in copies) == [0, 1, 2, 3]
    event = [each for each in await asyncio.to_thread(lying_on, settings, "posts") if each.key == b"eve"][-1]
    assert wire.read(event, (CreatorErased,)).creator_id == "eve"
    # Another process, which only reads the topic.
    producer = KafkaProducer(settings)
    reading = following_erasures(settings, "match", partial(WholeTopics, settings), wire, producer)
    async with reading as (erasures, _):
        assert erasures.erased("eve")
        assert not erasures.erased("ann")
    producer.close()


async def test_a_bad_brief_on_kafka_is_set_aside_and_the_next_one_counts(
    api: httpx.AsyncClient, settings: Settings, wire: Wire
) -> None:
    """Its bytes lie on ``match.dead``."""
    good = wire.record("brands", BrandBriefed(brand_id="oat", revision=1, name="Oat", brief="b"), id="1", time=NOW)
    bad = OutRecord(good.topic, b"oat", b"{broken", good.headers)
    producer = KafkaProducer(settings)
    for record in (bad, good):
        producer.send(record).result(60)
    producer.close()

    async def known() -> bool:
        return (await api.get("/v1/brands/oat")).status_code == 200

    await eventually_async(known)
    (letter,) = await asyncio.to_thread(lying_on, settings, "match.dead")
    assert letter.value == b"{broken"


async def test_the_clients_find_the_api_by_its_note(api: httpx.AsyncClient, settings: Settings) -> None:
    """As the command line does."""
    url = find_api(settings.data_dir)
    assert url == str(api.base_url).rstrip("/")

    def calls() -> tuple[dict[str, Any], dict[str, Any]]:
        with ApiClient(url) as client:
            with pytest.raises(ApiRefusedError, match="no creator"):
                client.creator("no one/?")
            return client.search("cake", limit=1), client.creator("ann", vectors=True)

    found, creator = await asyncio.to_thread(calls)
    assert found["hits"][0]["post_id"] == "cake"
    assert [facet["share"] for facet in creator["facets"]] == pytest.approx([0.8, 0.2])


async def test_labelled_briefs_are_judged_by_what_the_api_answers(
    api: httpx.AsyncClient, settings: Settings, tmp_path: Path
) -> None:
    """Asked of the running API over HTTP: the right creator and the right post come first."""
    labels = tmp_path / "labels.jsonl"
    lines = [
        {"brief": "birthday cake", "relevant": ["ann"]},
        *({"query": caption, "relevant": [name]} for name, caption in CAPTIONS.items()),
    ]
    labels.write_text("\n".join(json.dumps(line) for line in lines))
    app = typer.Typer()
    app.command()(evaluate)
    command = [str(labels), "--json", "--at", "1", "--api", find_api(settings.data_dir)]
    found = await asyncio.to_thread(CliRunner().invoke, app, command)
    assert found.exit_code == 0, found.output
    assert json.loads(found.stdout)["mean"]["ndcg@1"]["mean"] == 1.0


def test_without_an_api_the_clients_say_so(tmp_path: Path) -> None:
    """Also where an old note was left behind."""
    with pytest.raises(ApiUnavailable, match="no match API"):
        find_api(tmp_path)
    with pytest.raises(ApiUnavailable, match=r"127\.0\.0\.1:9"), ApiClient("http://127.0.0.1:9") as client:
        client.search("cake")


async def test_who_showed_a_picture_first_is_asked_of_weaviate(
    api: httpx.AsyncClient, settings: Settings, card: ModelCard
) -> None:
    """Its copies by another encoding are told from what is only near, and lie in the order of their dates."""
    vector = np.random.default_rng(3).normal(size=card.dimensions)
    vector = (vector / np.linalg.norm(vector)).astype(np.float32)
    looks = {"late": "f0" * 18, "early": "f1" * 4 + "f0" * 14, "another": "0f" * 18}
    async with connect(settings) as client:
        store = ObjectStore(client, settings.namespace, card.model_version)
        for hour, (name, look) in zip((5, 1, 0), looks.items(), strict=True):
            shared = {"post_id": name, "creator_id": f"creator-{name}", "published_at": NOW + timedelta(hours=hour)}
            shared |= {"revision": 1, "removed": False, "complete": True}
            seen = {"post_id": name, "creator_id": f"creator-{name}", "published_at": shared["published_at"]}
            visual = StoredObject(
                visual_id(name, 0, 0, card.model_version),
                {**seen, "position": 0, "timestamp_ms": 0, "perceptual_hash": look},
                {"visual": vector},
            )
            post = StoredObject(post_object_id(name, card.model_version), shared)
            assert await store.upsert("Visual", [visual]) == await store.upsert("Post", [post]) == [None]
    late = (await api.get("/v1/posts/late")).json()
    assert late["first"] is False
    assert [(each["post_id"], each["first"]) for each in late["duplicates"]] == [("early", True)]
    assert (await api.get("/v1/posts/early")).json()["first"] is True
    assert (await api.get("/v1/posts/another")).json()["duplicates"] == []


async def test_look_alikes_come_from_the_index(api: httpx.AsyncClient) -> None:
    """Never the creator."""
    hits = (await api.get("/v1/creators/ann/similar")).json()["hits"]
    assert [hit["creator_id"] for hit in hits] == ["bea", "cid"]


async def test_look_alikes_of_a_set_stay_away_from_others_under_filters(api: httpx.AsyncClient) -> None:
    """On the vectors that were written; nobody who is named is answered."""
    near = (await api.post("/v1/similar", json={"like": ["ann"]})).json()
    assert who(near) == ["bea", "cid"]
    apart = (await api.post("/v1/similar", json={"like": ["ann"], "unlike": ["cid"]})).json()
    assert who(apart) == ["bea"]
    assert -1.0 < apart["hits"][0]["parts"]["away"] < 0.0
    assert apart["hits"][0]["score"] < near["hits"][0]["score"]
    some = (await api.post("/v1/similar", json={"like": ["ann", "bea"], "filters": {"followers": {"min": 500}}})).json()
    assert who(some) == ["cid"]
    nobody = await api.get("/v1/creators/ann/similar", params={"away": "nobody"})
    assert nobody.status_code == 404


async def test_the_index_says_how_many_a_filter_allows_and_how_it_is_answered(api: httpx.AsyncClient) -> None:
    """The cutoff is the collection's own."""
    told = (await matched(api, brief="cake", filters={"followers": {"min": 400}}, explain=True))["explanation"]
    assert (told["creators"], told["allowed"]) == (4, 2)
    listed = load_collections(REPOSITORY / "schemas").vectors.flat_search_cutoff
    assert told["search"] == {"facets": 6, "allowed": 4, "cutoff": listed, "method": "exact"}
    assert (await matched(api, brief="cake", explain=True))["explanation"]["search"]["method"] == "graph"


async def test_why_a_creator_is_not_in_the_list_is_answered_by_the_index(
    api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each cause: unknown, erased, no facet, a filter, too far, below the shortlist."""

    async def why(creator_id: str, **body: Any) -> dict[str, Any]:
        answer = await matched(api, brief="birthday cake", explain_creator_id=creator_id, **body)
        told: dict[str, Any] = answer["why"]
        return told

    assert (await why("nobody"))["verdict"] == "unknown"
    assert (await api.delete("/v1/creators/fay")).status_code == 202
    assert (await why("fay"))["verdict"] == "erased"
    assert (await why("dan"))["verdict"] == "not_searchable"
    refused = await why("bea", filters={"audience": {"gender": {"women": 0.4}, "country": {"AT": 0.5}}})
    assert refused["verdict"] == "refused"
    found = {each["reason"]: each["found"] for each in refused["refused"]}
    assert found == {
        "audience.gender.women": {"audience_gender_women": 0.3},
        "audience.country.AT": {"audience_json.country.AT": 0.3},
    }
    below = await why("cid", limit=2)
    assert (below["verdict"], below["own"]["rank"], below["of"], below["last"]["rank"]) == ("ranked", 3, 3, 2)
    assert below["own"]["score"] < below["last"]["score"]
    assert (await why("ann"))["verdict"] == "shortlisted"
    monkeypatch.setattr(retrieval, "depth", lambda _: 2)
    far = await why("cid", limit=1)
    assert far["verdict"] == "not_near"
    (nearest,) = far["nearest"]
    assert nearest["cosine"] < nearest["cut"]
    assert far["own"]["rank"] == 3


async def test_a_bio_and_a_known_audience_are_the_indexs_own(api: httpx.AsyncClient) -> None:
    """The bio's vector is fetched by id: Ann's says what she posts, of the others there is none."""
    answer = await matched(api, brief="birthday cake", filters={"known_audience": ["gender", "country"]})
    bios = {hit["creator_id"]: hit["parts"]["bio"] for hit in answer["hits"]}
    assert bios["ann"] > bios["bea"] == bios["cid"] == 0.5
    nobody = await matched(api, brief="birthday cake", filters={"known_audience": "age"})
    assert (who(nobody), nobody["filtered_out"]) == ([], {"audience.age.known": 4})


async def test_with_keys_the_api_serves_their_holders_alone(settings: Settings, filled: None, tmp_path: Path) -> None:
    """Over a real socket, as the command line shows its key."""
    key, kept = new_key("reader", [Scope.SEARCH], NOW, None)
    write_keys(tmp_path / "keys.json", [kept])
    closed = settings.model_copy(update={"api_keys_file": tmp_path / "keys.json", "api_anonymous": "nothing"})

    def asked(url: str) -> list[str]:
        with ApiClient(url) as nobody, pytest.raises(ApiRefusedError, match="a key is needed"):
            nobody.search("cake")
        with ApiClient(url, key) as reader:
            with pytest.raises(ApiRefusedError, match="admin"):
                reader.call("DELETE", "/v1/creators/ann")
            return [hit["post_id"] for hit in reader.search("cake", limit=1)["hits"]]

    async with serving(closed, asyncio.Event()) as url:
        assert await asyncio.to_thread(asked, url) == ["cake"]
