"""From addresses to pixels: fetched, hashed and, where their vector is not known yet, decoded off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from concurrent.futures import Executor

from workers.domain.events import PostPublished
from workers.domain.events.posts import Media as MediaOfPost
from workers.domain.media import InvalidMedia, MediaUnavailable
from workers.domain.reasons import Reason
from workers.embedder.content import digest
from workers.embedder.ports import Media, Prepare
from workers.embedder.progress import Progress


class Pictures:
    """At most ``at_once`` pictures are in memory as bytes at a time; ``prepare`` runs on ``threads``."""

    def __init__(self, media: Media, prepare: Prepare, threads: Executor, at_once: int) -> None:
        self._media, self._prepare, self._threads = media, prepare, threads
        self._slots = asyncio.Semaphore(at_once)

    async def collect(self, event: PostPublished, known: Collection[str], progress: Progress) -> None:
        """Bring ``progress`` to where it has each picture's hash, and the pixels of those whose hash is not ``known``.

        Once one picture has failed, no other of its post is begun: alone they are worth nothing, and a slow host would
        hold the batch for each. Raises InvalidMedia, before MediaUnavailable, with the picture's index and address.
        """
        check_kinds(event.media)
        failures: list[InvalidMedia | MediaUnavailable] = []
        missing = [position for position in range(len(event.media)) if not self._has(progress, position, known)]
        await asyncio.gather(*(self._one(event, position, known, progress, failures) for position in missing))
        if failures:
            raise min(failures, key=lambda failure: not isinstance(failure, InvalidMedia))

    def _has(self, progress: Progress, position: int, known: Collection[str]) -> bool:
        hash_ = progress.media_hashes.get(position)
        return hash_ is not None and (hash_ in known or hash_ in progress.vectors or hash_ in progress.pixels)

    async def _one(
        self,
        event: PostPublished,
        position: int,
        known: Collection[str],
        progress: Progress,
        failures: list[InvalidMedia | MediaUnavailable],
    ) -> None:
        media = event.media[position]
        async with self._slots:
            if failures:
                return
            try:
                data = await self._media.fetch(media.url)
                hash_ = progress.media_hashes[position] = digest(data)
                if not self._has(progress, position, known):
                    loop = asyncio.get_running_loop()
                    progress.pixels[hash_] = await loop.run_in_executor(self._threads, self._prepare, data)
            except InvalidMedia as error:
                failures.append(InvalidMedia(error.reason, f"{_where(position, media)}: {error.detail}"))
            except MediaUnavailable as error:
                failures.append(MediaUnavailable(f"{_where(position, media)}: {error}"))


def check_kinds(media: Sequence[MediaOfPost]) -> None:
    """Raises InvalidMedia for a post with a video: it would be embedded in part. The encoders issue brings videos."""
    for position, one in enumerate(media):
        if one.kind != "image":
            raise InvalidMedia(Reason.MEDIA_UNSUPPORTED, f"{_where(position, one)}: {one.kind} is not embedded yet")


def _where(position: int, media: MediaOfPost) -> str:
    """Without the address's query, which may be a signature."""
    return f"media[{position}] {media.url.split('?', 1)[0]}"
