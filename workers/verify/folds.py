"""A creator's rows folded anew, against what ``creators`` says of them; a pair's facts against ``signals``."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from workers.creators.facets import FoldSettings
from workers.creators.fold import fold_rows, read_rows
from workers.creators.updates import creator_updated
from workers.domain.events import CreatorUpdated, FeedbackSignalled
from workers.domain.vectors import from_bytes
from workers.outcomes.attribution import Decay, fold
from workers.outcomes.facts import decode_fact
from workers.verify.differences import TOLERANCE, Difference, What, farthest
from workers.wire.standing import Standing

Row = tuple[bytes, bytes]
_VECTORS = {"recency_mean", "bio"}


def erased_at(standing: bytes | None) -> int | None:
    """When the creator was erased (Unix, ms), if the row says that they are; one that cannot be read does not."""
    try:
        read = None if standing is None else Standing.decode(standing)
    except ValueError:
        return None
    return read.at_ms if read is not None and read.erased else None


def updated_of(creator_id: str, rows: Iterable[Row], settings: FoldSettings) -> CreatorUpdated | None:
    """What must be said of a creator with these rows; None of one without any. Raises ValueError for a damaged row."""
    read = read_rows(creator_id, rows)
    if not (read.posts or read.profile):
        return None
    return creator_updated(fold_rows(creator_id, read, settings), settings)


def creator_of(key: bytes) -> str | None:
    """Whose row lies under this key of the creators worker's changelog; "" for a standing, None for nobody's."""
    name, end, _ = key.partition(b"\0")
    try:
        return name.decode() if end else None
    except UnicodeDecodeError:
        return None


def compare_update(creator_id: str, expected: CreatorUpdated | None, found: CreatorUpdated | None) -> Difference | None:
    """What must be said of a creator and what is said."""
    if expected is None:
        return None if found is None else Difference("extra", "update", creator_id, creator_id, "there are no rows")
    if found is None:
        return Difference("missing", "update", creator_id, creator_id, f"of revision {expected.revision}")
    if found.revision != expected.revision:
        detail = f"revision {found.revision}, the rows say {expected.revision}"
        what: What = "stale" if found.revision < expected.revision else "drifted"
        return Difference(what, "update", creator_id, creator_id, detail)
    if found.safety_revision < expected.safety_revision:
        detail = f"safety revision {found.safety_revision}, the rows say {expected.safety_revision}"
        return Difference("stale", "update", creator_id, creator_id, detail)
    wrong = [name for name in type(expected).model_fields if not _same_field(name, expected, found)]
    return Difference("drifted", "update", creator_id, creator_id, f"other {', '.join(wrong)}") if wrong else None


def compare_signal(
    brand_id: str, creator_id: str, expected: FeedbackSignalled | None, found: FeedbackSignalled | None
) -> Difference | None:
    """The fold of a pair's facts and what ``signals`` says."""
    pair = f"{brand_id}|{creator_id}"
    if expected is None:
        return None if found is None else Difference("extra", "signal", pair, brand_id, "nothing counts for it")
    if found is None:
        return Difference("missing", "signal", pair, brand_id, f"of {expected.events} facts")
    if found.events != expected.events:
        detail = f"{found.events} facts, the rows say {expected.events}"
        return Difference("stale" if found.events < expected.events else "drifted", "signal", pair, brand_id, detail)
    wrong = [name for name in type(expected).model_fields if getattr(expected, name) != getattr(found, name)]
    return Difference("drifted", "signal", pair, brand_id, f"other {', '.join(wrong)}") if wrong else None


def signal_of(
    brand_id: str, creator_id: str, rows: Iterable[bytes], served: Callable[[str], bool], decay: Decay
) -> FeedbackSignalled | None:
    """What must be said of a pair with these facts; None where nothing counts."""
    return fold((decode_fact(row) for row in rows), served, decay).signal(brand_id, creator_id, decay)


def _same_field(name: str, expected: CreatorUpdated, found: CreatorUpdated) -> bool:
    if name in _VECTORS:
        return _near(getattr(expected, name), getattr(found, name))
    if name != "facets":
        return bool(getattr(expected, name) == getattr(found, name))
    if len(expected.facets) != len(found.facets):
        return False
    for one, other in zip(expected.facets, found.facets, strict=True):
        if one.model_copy(update={"vector": other.vector}) != other or not _near(one.vector, other.vector):
            return False
    return True


def _near(one: bytes | None, other: bytes | None) -> bool:
    if one is None or other is None:
        return one is other
    return farthest(from_bytes(one), from_bytes(other)) <= TOLERANCE
