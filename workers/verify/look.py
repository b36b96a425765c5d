"""What one look at everything holds: what it reads from, what it has found so far."""

from __future__ import annotations

from dataclasses import dataclass, field

from workers.creators.facets import FoldSettings
from workers.creators.rows import standing_key
from workers.domain.erasure import Erasures
from workers.domain.safety.scoring import Scoring
from workers.domain.stored import Fetching, Listing
from workers.indexer.settling import Thresholds
from workers.outcomes.attribution import Decay
from workers.verify.differences import Difference, Kind, What
from workers.verify.folds import erased_at
from workers.verify.progress import Told
from workers.verify.spool import Spool
from workers.wire.cloudevents import Wire


@dataclass(frozen=True, slots=True)
class Rules:
    """What the workers are set to: their results are functions of it."""

    fold: FoldSettings
    min_share: float
    decay: Decay
    scoring: Scoring
    thresholds: Thresholds


@dataclass(frozen=True, slots=True)
class Topics:
    """Full names."""

    creators: str
    creator_rows: str
    signals: str
    outcome_rows: str
    erasures: str

    def all(self) -> list[str]:
        return [self.creators, self.creator_rows, self.signals, self.outcome_rows, self.erasures]


@dataclass(slots=True)
class Look:
    """The spool holds the topics already. ``checked``: things looked at by kind.

    ``unsaid``: creators of whom ``creators`` says nothing that can be read; whatever is stored of them may be right.
    """

    listing: Listing
    store: Fetching
    spool: Spool
    wire: Wire
    topics: Topics
    rules: Rules
    erasures: Erasures
    told: Told
    checked: dict[str, int] = field(default_factory=dict)
    unsaid: set[str] = field(default_factory=set)
    _found: dict[tuple[Kind, str], Difference] = field(default_factory=dict)

    @property
    def differences(self) -> list[Difference]:
        """One of each thing, in the order in which they were found.

        Scores of a post that is itself not right say nothing: they were made of other vectors.
        """
        posts = {each.post_id for each in self._found.values() if each.kind == "post"}
        return [each for each in self._found.values() if each.kind != "safety" or each.post_id not in posts]

    def keep(self, found: Difference | None) -> None:
        """A thing may be seen to be wrong from both of its sides: what was seen first stays."""
        if found is not None:
            self._found.setdefault((found.kind, found.id), found)

    def wrong(self, what: What, kind: Kind, id_: str, key: str, detail: str, post_id: str = "") -> None:
        """Keep a difference."""
        self.keep(Difference(what, kind, id_, key, detail, post_id))

    def count(self, kind: str, total: int | None, more: int = 1) -> None:
        """Some more were looked at."""
        self.checked[kind] = self.checked.get(kind, 0) + more
        self.told(f"{kind}s", self.checked[kind], total)

    def row(self, key: bytes) -> bytes | None:
        """A row of the creators worker."""
        record = self.spool.find(self.topics.creator_rows, key)
        return None if record is None else record.value

    def is_erased(self, creator_id: str) -> bool:
        """Whether the creator's row says so, or the topic ``erasures``."""
        return self.erased_at(creator_id) is not None

    def erased_at(self, creator_id: str) -> int | None:
        """When the creator was erased (Unix, ms), by what was said last; None of one who is not."""
        said_ms, erased = self.erasures.rank(creator_id)
        by_row = erased_at(self.row(standing_key(self.erasures.key.hash(creator_id))))
        return max(said_ms, by_row or said_ms) if erased else by_row
