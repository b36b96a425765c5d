"""How many bytes a medium may have: a picture some, a video more, and few of those at once."""

from __future__ import annotations

import asyncio

from workers.adapters.media_video import container_of
from workers.config import Settings
from workers.domain.media import InvalidMedia, MediaUnavailable
from workers.domain.reasons import Reason

_TELLS = 64
"""First bytes from which it shows what a medium is."""


class Size:
    """Of one medium on its way. ``most`` bytes are read for now; ``whatever_it_is``, none can have more than so many.

    ``large`` are the turns of videos that are larger than a picture may be: the bytes in memory stay bounded.
    """

    def __init__(self, settings: Settings, large: asyncio.Semaphore) -> None:
        self.most = settings.media_max_bytes
        self.whatever_it_is = max(settings.media_max_bytes, settings.media_max_video_bytes)
        self._videos_most, self._line, self._large = settings.media_max_video_bytes, settings.media_line_seconds, large
        self._taken = False

    def tells(self, data: bytes | bytearray) -> bool:
        """Whether there is enough of it to say what it is."""
        return len(data) >= _TELLS

    async def grows(self, data: bytes | bytearray, count: int) -> bool:
        """Whether ``most`` has grown to a video's, now that there are ``count`` bytes, of which ``data`` are the first.

        Raises InvalidMedia, ``media_too_large``, beyond what may be; MediaUnavailable, not asked, where too many large
        videos are in memory.
        """
        if count <= self.most:
            return False
        if self._taken or container_of(bytes(data[:_TELLS])) is None or self._videos_most <= self.most:
            raise too_large(self.most)
        try:
            async with asyncio.timeout(self._line):
                await self._large.acquire()
        except TimeoutError as error:
            raise MediaUnavailable("too many large videos at once", asked=False) from error
        self._taken, self.most = True, self._videos_most
        if count > self.most:
            raise too_large(self.most)
        return True

    def give_back(self) -> None:
        """The medium is done with."""
        if self._taken:
            self._taken = False
            self._large.release()


def too_large(most: int) -> InvalidMedia:
    """The error of a medium of more bytes."""
    return InvalidMedia(Reason.MEDIA_TOO_LARGE, f"more than {most} bytes")
