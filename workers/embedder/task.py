"""An item on its way to a verdict."""

from __future__ import annotations

from dataclasses import dataclass

from workers.domain.events import (
    CreatorErased,
    CreatorProfiled,
    CreatorReinstated,
    PostPublished,
    PostRemoved,
    SafetyRevised,
)
from workers.embedder.content import Words, words_of
from workers.embedder.objects import Embedded
from workers.embedder.plan import Embed, Plan
from workers.embedder.progress import Progress
from workers.wire.letters import ORIGIN, origin_headers
from workers.wire.records import Item, Verdict

ACCEPTED = (PostPublished, PostRemoved, CreatorProfiled, CreatorErased, CreatorReinstated, SafetyRevised)
Accepted = PostPublished | PostRemoved | CreatorProfiled | CreatorErased | CreatorReinstated | SafetyRevised


@dataclass(slots=True, eq=False)
class Task:
    """``name`` is the hash of its event; ``plan`` is of a post's event only; ``embedded`` is a post with its vectors.

    While ``verdict`` is None all goes well.
    """

    item: Item[Accepted]
    name: str
    plan: Plan | None
    progress: Progress
    verdict: Verdict | None = None
    embedded: Embedded | None = None

    def lay_first_in(self, topic: str) -> bool:
        """Whether its event came from there, however often it waited elsewhere since."""
        return origin_headers(self.item.record)[ORIGIN + "topic"] == topic.encode()

    def words(self) -> Words:
        """What its event says in words: a caption with hashtags and alt texts, or a bio. Empty for nothing."""
        event = self.item.event
        if isinstance(event, PostPublished):
            return words_of(event)
        return Words(event.bio.strip() if isinstance(event, CreatorProfiled) else "")

    def text_hash(self) -> str:
        """The key of its caption, or bio, among the vectors of its progress."""
        return self.words().hash()

    def wants_text(self) -> bool:
        """Whether its text is still to be encoded."""
        wanted = isinstance(self.plan, Embed) or isinstance(self.item.event, CreatorProfiled)
        stored = self.plan.captions if isinstance(self.plan, Embed) else {}
        said = self.words()
        return (
            self.verdict is None
            and wanted
            and bool(said.weighted())
            and said.hash() not in {*stored, *self.progress.captions}
        )

    def put_together(self) -> None:
        """Its post with all the vectors, stored or new; the pictures and the text must have been seen to."""
        assert isinstance(self.plan, Embed)
        event, progress, hash_ = self.plan.event, self.progress, self.text_hash()
        hashes = tuple(progress.media_hashes[position] for position in range(len(event.media)))
        vectors = {**self.plan.visuals, **progress.vectors}
        caption = {**self.plan.captions, **progress.captions}.get(hash_)
        self.embedded = Embedded(event, hashes, tuple(vectors[media] for media in hashes), hash_, caption)

    def reused(self) -> int:
        """How many of its vectors were in the store already."""
        if self.embedded is None:
            return 0
        new = [*(media in self.progress.vectors for media in self.embedded.media_hashes)]
        if self.embedded.caption is not None:
            new.append(self.embedded.caption_hash in self.progress.captions)
        return new.count(False)
