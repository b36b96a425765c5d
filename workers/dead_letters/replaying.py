"""Whether a dead letter may be replayed, and the record that does it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from workers.dead_letters.box import Known
from workers.domain.topics import REPLAYER, Topic
from workers.wire.letters import CONNECT, ID, REASON, REPLAYS, carried, origin_headers
from workers.wire.records import InRecord, OutRecord

OWN_COPIES: Final = (".rekeyed", ".retry")


@dataclass(frozen=True, slots=True)
class Rules:
    """``topics`` by their full names. ``most``: replays of one letter before it takes the operator's ``force``."""

    topics: Mapping[str, Topic]
    most: int
    force: bool = False


def refusal(known: Known, rules: Rules, newest: Mapping[tuple[str, bytes], InRecord]) -> str | None:
    """Why a letter is not replayed; None where it may be.

    ``newest``: of each compacted topic and key that is asked about, the last record. Headers may be a stranger's: a
    letter goes only where its worker reads and ``schemas/topics.yaml`` lets replays in.
    """
    letter = known.letter
    name = letter.origin.topic
    topic = rules.topics.get(name)
    if name.endswith(OWN_COPIES):
        return f"its first topic is not known: it lay on {name}, which only {letter.worker} itself writes"
    if topic is None or REPLAYER not in topic.replayed_by or letter.worker not in topic.readers:
        return f"{name[:200]!r} is no topic from which {letter.worker} takes replays"
    if known.state == "dropped":
        return "it was dropped, which is for ever: have the event published again"
    if topic.compacted and not _is_newest(known, newest):
        return f"a newer record of its key lies on {name}, which keeps only that one: a replay would undo it"
    return None if rules.force else _guard(known, rules.most)


def _guard(known: Known, most: int) -> str | None:
    if known.state == "replayed":
        return "it was replayed and has not died again (--force replays it once more)"
    if known.replays >= most:
        return f"it was replayed {known.replays} times and died again each time (--force replays it once more)"
    return None


def _is_newest(known: Known, newest: Mapping[tuple[str, bytes], InRecord]) -> bool:
    """The very record, or an earlier replay of it."""
    letter = known.letter
    last = newest.get((letter.origin.topic, letter.key or b""))
    if last is None:
        return False
    same = (last.position.partition, last.position.offset) == (letter.origin.partition, letter.origin.offset)
    return same or carried(last).get(ID) == letter.id.encode()


def asked_about(chosen: Collection[Known], topics: Mapping[str, Topic]) -> set[tuple[str, bytes]]:
    """The compacted topics and keys whose newest records must be known."""
    return {
        (known.letter.origin.topic, known.letter.key or b"")
        for known in chosen
        if known.letter.origin.topic in topics and topics[known.letter.origin.topic].compacted
    }


def replay(record: InRecord, known: Known) -> OutRecord:
    """The original bytes, key and headers for the first topic, with the letter's id, its counts and its origin.

    Without a partition: the key decides, as for every record of ours. Why it died is not carried on.
    """
    dead = {REASON, REPLAYS, *origin_headers(record)}
    kept = tuple((name, value) for name, value in record.headers if name not in dead and not name.startswith(CONNECT))
    count = (REPLAYS, b"%d" % (known.replays + 1))
    headers = (*kept, *origin_headers(record).items(), count)
    return OutRecord(known.letter.origin.topic, record.key, record.value, headers)
