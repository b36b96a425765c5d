"""From addresses to pixels: fetched, hashed and, where their vectors are not known yet, decoded off the event loop.

A medium is what its bytes say: its ``kind`` in the event, its address and its headers are not looked at.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from concurrent.futures import Executor
from contextlib import nullcontext

from workers.domain.events import PostPublished
from workers.domain.media import InvalidMedia, MediaUnavailable, shown_address
from workers.embedder.content import digest
from workers.embedder.ports import Media, Prepare
from workers.embedder.progress import Progress

AT_ONCE = 4
"""Media of one post: the next is begun when none has failed."""


class Pictures:
    """``media`` says how many media are in memory as bytes at a time; ``prepare`` runs on ``threads``.

    ``most``: so many of these at a time at most, however many ``media`` would let in: the rest is left to others.
    """

    def __init__(self, media: Media, prepare: Prepare, threads: Executor, most: int | None = None) -> None:
        self._media, self._prepare, self._threads = media, prepare, threads
        self._turns = nullcontext() if most is None else asyncio.Semaphore(most)

    async def collect(self, event: PostPublished, known: Collection[str], progress: Progress) -> None:
        """Bring ``progress`` to where it has each medium's hash, and the frames of those whose hash is not ``known``.

        Once one medium has failed, no other of its post is begun: alone they are worth nothing, and a slow host would
        hold the batch for each. Raises InvalidMedia, before MediaUnavailable, with the medium's index and address.
        """
        failures: list[InvalidMedia] = []
        busy: list[MediaUnavailable] = []
        turns = asyncio.Semaphore(AT_ONCE)

        async def one(position: int) -> None:
            async with turns:
                if failures or busy:
                    return
                try:
                    await self._one(event, position, known, progress)
                except InvalidMedia as error:
                    failures.append(error)
                except MediaUnavailable as error:
                    busy.append(error)

        missing = [position for position in range(len(event.media)) if not self._has(progress, position, known)]
        await asyncio.gather(*(one(position) for position in missing))
        if failures:
            raise failures[0]
        if busy:
            raise _longest(busy)

    def _has(self, progress: Progress, position: int, known: Collection[str]) -> bool:
        hash_ = progress.media_hashes.get(position)
        return hash_ is not None and (hash_ in known or hash_ in progress.vectors or hash_ in progress.pixels)

    async def _one(self, event: PostPublished, position: int, known: Collection[str], progress: Progress) -> None:
        media = event.media[position]
        where = f"media[{position}] {shown_address(media.url)}"
        try:
            async with self._turns, self._media.opened(media.url) as data:
                hash_ = progress.media_hashes[position] = digest(data)
                if not self._has(progress, position, known):
                    loop = asyncio.get_running_loop()
                    progress.pixels[hash_] = await loop.run_in_executor(self._threads, self._prepare, data)
        except InvalidMedia as error:
            raise InvalidMedia(error.reason, f"{where}: {error.detail}") from error
        except MediaUnavailable as error:
            raise MediaUnavailable(f"{where}: {error}", error.after, asked=error.asked) from error


def _longest(busy: Sequence[MediaUnavailable]) -> MediaUnavailable:
    """One answer for a post: when the last of its hosts may be asked; asked, if any was."""
    told = [error.after for error in busy if error.after is not None]
    first = min(busy, key=lambda error: not error.asked)
    return MediaUnavailable(str(first), max(told, default=None), asked=first.asked)
