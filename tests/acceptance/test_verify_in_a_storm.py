"""Verify and the storm's oracle, which know nothing of each other, agree: before damage, and after it was mended."""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections.abc import Sequence
from uuid import UUID

from tests.conftest import remove_world
from tests.storm.playing import play, play_house
from tests.storm.scenarios import SCENARIOS
from workers.adapters.weaviate.connection import connect
from workers.adapters.weaviate.objects import ObjectStore
from workers.config import Settings
from workers.domain.model_card import load_model_card
from workers.verify.differences import COLLECTION
from workers.verify.main import verify_state
from workers.verify.report import Report

SEED = 5
PLAYED = ("kill -9 at random", "poison in every position of a batch", "one of a kind added, one removed")
"""Only workers die in these: the servers may be shared."""
COLLECTION_OF: dict[str, str] = {**COLLECTION}


def verified(settings: Settings, repair: bool = False) -> Report:
    """What verify reports."""
    return asyncio.run(verify_state(settings, repair, 60.0, lambda *_: None))


def delete(settings: Settings, lost: Sequence[tuple[str, UUID]]) -> None:
    """Objects by kind and id are gone."""

    async def run() -> None:
        async with connect(settings) as client:
            store = ObjectStore(client, settings.namespace, load_model_card(settings.model_repository).model_version)
            for kind, id_ in lost:
                await store.delete(COLLECTION_OF[kind], [id_])

    asyncio.run(run())


def test_verify_finds_nothing_after_storms_and_all_that_is_lost_after_them(stack: Settings) -> None:
    """Edits, removals, repeats, kills, poison: whole. Then a part of each collection is lost, reported and mended."""
    with play_house(stack, f"v{os.getpid()}", SEED) as (stage, world):
        for scenario in (each for each in SCENARIOS if each.name in PLAYED):
            assert play(stage, world, scenario).differences == []
            report = verified(stage.settings)
            assert (list(report.differences), list(report.in_flight), report.open_events) == ([], [], 0), scenario.name
            assert report.checked["row"] > 0
        stored = [json.loads(line) for line in stage.dump().splitlines()]
        objects = [(each["kind"], UUID(each["id"])) for each in stored if each["kind"] in COLLECTION_OF]
        lost = random.Random(SEED).sample(objects, len(objects) // 4)
        delete(stage.settings, lost)
        gone = {(kind, str(id_)) for kind, id_ in lost}
        found = verified(stage.settings).differences
        assert {each.what for each in found} == {"missing"}
        assert {(each.kind, each.id) for each in found} == gone - _hidden(stored, gone)
        assert verified(stage.settings, repair=True).differences == []
        assert stage.differences() == []
        settings = stage.settings
    remove_world(settings)


def _hidden(stored: Sequence[dict[str, str]], gone: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Lost visuals of lost posts: that the post is missing says it all."""
    posts = {each["post_id"] for each in stored if each["kind"] == "post" and ("post", each["id"]) in gone}
    return {
        ("visual", each["id"])
        for each in stored
        if each["kind"] == "visual" and each["post_id"] in posts and ("visual", each["id"]) in gone
    }
