"""Safety on real Kafka, Triton and Weaviate: posts are scored, a model is calibrated, stored posts are scored again."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest

from tests.fakes.safety import calibration
from tests.integration.test_embedder import World, encoded, post
from tests.waiting import eventually_async
from workers.config import REPOSITORY, Settings
from workers.domain.events import CreatorErased, Event, PostEmbedded
from workers.domain.model_card import CARD_FILE
from workers.domain.safety.calibration import load_calibration
from workers.safety.calibrating import write_calibration
from workers.safety.fitting import Bars
from workers.safety.main import calibrate, check, rescore
from workers.safety.rescoring import Report

__all__ = ["encoded"]
CAPTIONS = REPOSITORY / "triton_models" / "safety" / "captions.json"


@pytest.fixture
def world(settings: Settings, tmp_path: Path) -> World:
    """A namespace of its own, and the bundled model with a first calibration that was made up."""
    shutil.copy(settings.model_repository / CARD_FILE, tmp_path)
    own = World(settings.model_copy(update={"model_repository": tmp_path}))
    write_calibration(calibration(1, own.card.dimensions, own.card.model_version), tmp_path)
    return own


def labels(folder: Path) -> Path:
    """Captions of alcohol and of nothing: what is held out is every second one."""
    captions: dict[str, list[str]] = json.loads(CAPTIONS.read_text(encoding="utf-8"))
    lines = [
        {"text": text, "holds": ["alcohol"] if name == "alcohol" else [], "part": "fit" if place % 2 else "held_out"}
        for name in ("alcohol", "none")
        for place, text in enumerate(captions[name])
    ]
    file = folder / "labels.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return file


def delete(urls: list[str]) -> None:
    """Pictures whose host is gone."""
    for url in urls:
        Path(unquote(urlsplit(url).path)).unlink()


def scored(events: list[Event], revision: int) -> dict[str, PostEmbedded]:
    """The announcements of one scoring, by post."""
    posts = [event for event in events if isinstance(event, PostEmbedded)]
    return {event.post_id: event for event in posts if event.safety_revision == revision}


async def test_a_new_calibration_is_made_and_stored_posts_are_scored_by_it(
    world: World, encoded: dict[str, int], tmp_path: Path
) -> None:
    """While the embedder runs: nothing is fetched or encoded again, no vector changes, each post is announced anew."""
    urls = [world.picture(f"{n}.png", colour, "PNG") for n, colour in enumerate(("red", "blue"))]
    posts = [
        post(1, urls, post_id="p1", caption="two pints of beer in the pub"),
        post(1, urls[:1], post_id="p2", caption="a walk in the garden"),
        post(1, [], post_id="p3", caption="wtf"),
        post(1, urls, post_id="p4", creator_id="c2"),
    ]
    async with world.embedder():
        world.publish(*posts)
        first = scored(await world.announced(4), 1)
        assert first.keys() == {"p1", "p2", "p3", "p4"}
        assert first["p1"].safety["alcohol"] >= 0.9
        assert first["p3"].safety["profanity"] >= 0.97
        before = {name: await world.objects(name) for name in first}
        made, _ = await calibrate(
            world.settings, labels(tmp_path), Bars(false_positive_rate=0.2), 0.5, None, lambda *_: None
        )
        assert made.revision == 2
        assert set(made.categories) == {"alcohol"}
        assert made.categories["alcohol"].caption is not None
        assert await check(world.settings) == (load_calibration(tmp_path), "", "")
        world.publish(CreatorErased(creator_id="c2", requested_at=datetime.now(UTC)))
        await eventually_async(lambda: _gone(world, "p4"))
        asked = dict(encoded)
        delete(urls)
        reported: list[int] = []
        report = await rescore(world.settings, True, lambda report, total: reported.append(total))
        assert report == Report(2, posts=3, named=3, scored=3)
        assert await rescore(world.settings, True, lambda *_: None) == Report(2, posts=3, scored_before=3)
        assert encoded == asked
        second = scored(await world.announced(8), 2)
    assert second.keys() == {"p1", "p2", "p3"}
    assert second["p3"].safety["alcohol"] < 0.5 <= second["p1"].safety["alcohol"]
    assert "alcohol" not in second["p2"].safety
    for name, event in second.items():
        assert (event.visual, event.caption) == (first[name].visual, first[name].caption)
        stored, visuals = await world.objects(name)
        old_stored, old_visuals = before[name]
        assert stored is not None
        assert old_stored is not None
        for new, old in [(stored, old_stored), *zip(visuals, old_visuals, strict=True)]:
            assert new.properties["safety_revision"] == 2
            changed = {each for each in new.properties if new.properties[each] != old.properties.get(each)}
            assert changed <= {"safety_json", "caption_safety_json", "safety_revision"}
            assert all(np.array_equal(new.vectors[each], old.vectors[each]) for each in old.vectors)


async def _gone(world: World, post_id: str) -> bool:
    stored, visuals = await world.objects(post_id)
    return stored is None and not visuals
