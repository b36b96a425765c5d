"""Looks at the facts of the outcomes worker and at what ``signals`` says of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import groupby

from workers.domain.events import FeedbackSignalled
from workers.domain.reasons import InvalidEvent
from workers.outcomes.erasing import named_in
from workers.outcomes.facts import decode_served, match_key
from workers.verify.folds import compare_signal, signal_of
from workers.verify.look import Look, Topics
from workers.verify.spool import Spool
from workers.wire.records import InRecord

_FACTS = b"p\x1f"
_REMEMBERED = 20_000


def look_at_signals(look: Look) -> None:
    """Each pair's facts, folded anew, against its signal; each signal: whether there are facts."""
    for brand_id, creator_id, rows in pairs(look.spool.scan(look.topics.outcome_rows, _FACTS)):
        look.count("pair", None)
        _look_at_pair(look, brand_id, creator_id, rows)
    total = look.spool.count(look.topics.signals)
    for record in look.spool.newest(look.topics.signals):
        look.count("signal", total)
        if look.spool.expected("signal", record.key or b"") is None:
            pair = (record.key or b"").decode("utf-8", "backslashreplace")
            look.wrong("extra", "signal", pair, pair.split("|")[0], "nothing counts for it")
    if len(look.erasures):
        _look_for_the_erased(look)


def _look_for_the_erased(look: Look) -> None:
    """Claims, shortlists and mentions name creators too."""
    # A few creators have most of the rows.
    is_erased = lru_cache(_REMEMBERED)(look.is_erased)
    total = look.spool.count(look.topics.outcome_rows)
    for number, (record, brand_id, _, creators) in enumerate(naming(look.spool, look.topics), 1):
        look.told("rows of outcomes", number, total)
        for creator_id in sorted(creator for creator in creators if is_erased(creator)):
            row = (record.key or b"").decode("utf-8", "backslashreplace")
            look.wrong("extra", "fact", f"{brand_id}|{creator_id}", brand_id, f"erased, and named in {row!r}")


def naming(spool: Spool, topics: Topics) -> Iterator[tuple[InRecord, str, str, set[str]]]:
    """Every row of the outcomes worker with its brand, whose it is, and all whom it names; a damaged one not."""
    for record in spool.newest(topics.outcome_rows):
        try:
            yield record, *named_in(record.key or b"", record.value or b"")
        except (ValueError, KeyError, TypeError, IndexError):
            # A fact that cannot be read is found with its pair.
            continue


def _look_at_pair(look: Look, brand_id: str, creator_id: str, rows: list[bytes]) -> None:
    pair = f"{brand_id}|{creator_id}"
    if look.is_erased(creator_id):
        look.wrong("extra", "fact", pair, brand_id, f"its creator is erased, and {len(rows)} facts are left")
        return
    served = shown_by(look.spool, look.topics, brand_id, creator_id)
    try:
        expected = signal_of(brand_id, creator_id, rows, served, look.rules.decay)
    except (ValueError, KeyError, TypeError) as error:
        look.spool.expect("signal", pair.encode())
        look.wrong("drifted", "signal", pair, brand_id, f"one of the pair's facts cannot be read: {error}")
        return
    if expected is None:
        return
    look.spool.expect("signal", pair.encode())
    record = look.spool.find(look.topics.signals, pair.encode())
    try:
        found = None if record is None else look.wire.read(record, (FeedbackSignalled,))
    except InvalidEvent as error:
        look.wrong("drifted", "signal", pair, brand_id, f"{error.reason}: {error.detail}")
    else:
        look.keep(compare_signal(brand_id, creator_id, expected, found))


def shown_by(spool: Spool, topics: Topics, brand_id: str, creator_id: str) -> Callable[[str], bool]:
    """Asked of a match id: whether that match was served to the brand and showed the creator."""

    def shown(match_id: str) -> bool:
        record = spool.find(topics.outcome_rows, match_key(brand_id, match_id))
        return record is not None and creator_id in decode_served(record.value or b"").creators

    return shown


def pairs(records: Iterator[InRecord]) -> Iterator[tuple[str, str, list[bytes]]]:
    """Brand, creator and their facts' rows, pair by pair, of facts sorted by key."""

    def pair(record: InRecord) -> tuple[str, str]:
        parts = [part.decode("utf-8", "backslashreplace") for part in (record.key or b"").split(b"\x1f", 3)]
        return (parts[1], parts[2]) if len(parts) == 4 else ("", "")

    for (brand_id, creator_id), group in groupby(records, pair):
        yield brand_id, creator_id, [record.value or b"" for record in group]
