"""Writes the sample world to disk as a user would have it: media in the media directory, events as JSON lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import orjson

from workers.demo.films import write_film
from workers.demo.pictures import write_picture
from workers.demo.world import Composition, SamplePost, World
from workers.domain.events import Event, Media, PostPublished

MADE_AT_ONCE = 64
Medium = Sequence[Composition]


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
    wanted = [
        (compositions, media_root / name)
        for post in world.posts
        for name, compositions in zip(_media_names(post), _media(post), strict=True)
    ]
    _write_media(wanted, artwork, progress)
    posts = [_event(post, media_root, revision) for post in world.posts]
    folder.mkdir(parents=True, exist_ok=True)
    return SampleFiles(
        profiles=_lines(folder / "profiles.jsonl", world.profiles),
        brands=_lines(folder / "brands.jsonl", world.brands),
        posts=_lines(folder / "posts.jsonl", posts[: len(posts) - late]),
        late_posts=_lines(folder / "late_posts.jsonl", posts[len(posts) - late :]),
    )


def _media(post: SamplePost) -> list[Medium]:
    """Of a film one, with all its scenes; else one of each picture."""
    return [post.pictures] if post.film else [(each,) for each in post.pictures]


def _media_names(post: SamplePost) -> list[str]:
    if post.film:
        return [f"sample/{post.post_id}-film-{'-'.join(f'{each.seed:08x}' for each in post.pictures)}.mp4"]
    return [f"sample/{post.post_id}-{position}-{each.seed:08x}.jpg" for position, each in enumerate(post.pictures)]


def _write_media(wanted: Sequence[tuple[Medium, Path]], artwork: Path, progress: Callable[[int], None]) -> None:
    with ProcessPoolExecutor(2) as pool:
        chunks = [wanted[start : start + MADE_AT_ONCE] for start in range(0, len(wanted), MADE_AT_ONCE)]
        for done in pool.map(partial(_write_chunk, artwork=artwork), chunks):
            progress(done)


def _write_chunk(wanted: Sequence[tuple[Medium, Path]], artwork: Path) -> int:
    for compositions, target in wanted:
        if target.suffix == ".mp4":
            write_film(compositions, artwork, target)
        else:
            write_picture(compositions[0], artwork, target)
    return sum(len(compositions) for compositions, _ in wanted)


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
            Media(url=(media_root / name).resolve().as_uri(), kind="video" if post.film else "image")
            for name in _media_names(post)
        ),
    )


def _lines(path: Path, events: Iterable[Event]) -> Path:
    with path.open("wb") as file:
        for event in events:
            file.write(orjson.dumps({"type": type(event).__name__} | event.model_dump(mode="json")) + b"\n")
    return path
