"""What ``streamscout safety rescore`` and ``verify`` say: scores of a post are to be looked at again."""

from __future__ import annotations

from workers.domain.events.envelope import Event
from workers.domain.fields import Identifier, Revision


class SafetyRevised(Event):
    """A post's safety scores may be of an older scoring than ``safety_revision``, or wrong.

    The embedder computes them anew from the stored vectors and words: nothing is fetched and nothing encoded.
    """

    key_field = "creator_id"

    post_id: Identifier
    creator_id: Identifier
    safety_revision: Revision
