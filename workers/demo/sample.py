"""Writes the sample world to disk as a user would have it: pictures in the media directory, events as JSON lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import orjson

from workers.demo.pictures import write_picture
from workers.demo.world import Composition, SamplePost, World
from workers.domain.events import Event, Media, PostPublished

MADE_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class SampleFiles:
    """The files of a sample: one of events per topic, ready for ``streamscout publish``."""

    profiles: Path
    brands: Path
    posts: Path
    late_posts: Path


def write_sample(
    world: World,
    artwork: Path,
    media_root: Path,
    folder: Path,
    revision: int,
    late: int,
    progress: Callable[[int], None],
) -> SampleFiles:
    """Make the pictures that are not there yet and the files of events; ``late`` posts go to a file of their own.

    ``progress`` is told how many pictures are done since it was last told.
    """
    pictures = [
        (composition, media_root / _picture_name(post, position))
        for post in world.posts
        for position, composition in enumerate(post.pictures)
    ]
    _write_pictures(pictures, artwork, progress)
    posts = [_event(post, media_root, revision) for post in world.posts]
    folder.mkdir(parents=True, exist_ok=True)
    return SampleFiles(
        profiles=_lines(folder / "profiles.jsonl", world.profiles),
        brands=_lines(folder / "brands.jsonl", world.brands),
        posts=_lines(folder / "posts.jsonl", posts[: len(posts) - late]),
        late_posts=_lines(folder / "late_posts.jsonl", posts[len(posts) - late :]),
    )


def _picture_name(post: SamplePost, position: int) -> str:
    composition = post.pictures[position]
    return f"sample/{post.post_id}-{position}-{composition.seed:08x}.jpg"


def _write_pictures(
    pictures: Sequence[tuple[Composition, Path]], artwork: Path, progress: Callable[[int], None]
) -> None:
    with ProcessPoolExecutor(2) as pool:
        chunks = [pictures[start : start + MADE_AT_ONCE] for start in range(0, len(pictures), MADE_AT_ONCE)]
        for done in pool.map(partial(_write_chunk, artwork=artwork), chunks):
            progress(done)


def _write_chunk(pictures: Sequence[tuple[Composition, Path]], artwork: Path) -> int:
    for composition, target in pictures:
        write_picture(composition, artwork, target)
    return len(pictures)


def _event(post: SamplePost, media_root: Path, revision: int) -> PostPublished:
    return PostPublished(
        post_id=post.post_id,
        creator_id=post.creator_id,
        revision=revision,
        platform=post.platform,
        url=f"https://{post.platform}.example/{post.creator_id}/{post.post_id}",
        language=post.language,
        published_at=post.published_at,
        caption=post.caption,
        hashtags=post.hashtags,
        media=tuple(
            Media(url=(media_root / _picture_name(post, position)).resolve().as_uri(), kind="image")
            for position in range(len(post.pictures))
        ),
    )


def _lines(path: Path, events: Iterable[Event]) -> Path:
    with path.open("wb") as file:
        for event in events:
            file.write(orjson.dumps({"type": type(event).__name__} | event.model_dump(mode="json")) + b"\n")
    return path
