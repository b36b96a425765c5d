"""The story of the dead-letter tool: what is listed, put back and given up."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.unit.dead_letters.world import NAMESPACE, NOW, World, results
from workers.dead_letters.choosing import Choice
from workers.dead_letters.pace import Pace
from workers.dead_letters.replaying import Rules
from workers.domain.events import DeadLetterResolved
from workers.domain.partitioning import partition_of
from workers.wire.letters import ATTEMPTS, CONNECT, ID, ORIGIN, REASON, REPLAYS
from workers.wire.records import InRecord


def resolutions(world: World) -> list[DeadLetterResolved]:
    """What ``dead.resolutions`` says."""
    return [
        world.wire.read(record, (DeadLetterResolved,)) for record in world.broker.read(f"{NAMESPACE}.dead.resolutions")
    ]


def test_a_replay_is_the_original_with_its_id_its_origin_and_its_counts() -> None:
    """Bytes, key and headers, on the partition its key belongs to; why it died is not carried on."""
    world = World()
    origin = world.published(value=b"\x00bytes", headers=(("ce_id", b"1"), ("ce_id", b"2")))
    world.dies(origin)
    (known,) = world.dead()
    (outcome,) = world.replay()
    assert outcome.result == "replayed"
    copy = world.last()
    assert (copy.key, copy.value) == (origin.key, origin.value)
    assert copy.position.partition == partition_of(b"ana", 4)
    assert copy.headers[:2] == origin.headers
    headers = dict(copy.headers)
    assert headers[ID] == known.letter.id.encode()
    assert headers[ORIGIN + "topic"] == b"n.posts"
    assert headers[ORIGIN + "offset"] == b"%d" % origin.position.offset
    assert (headers[ATTEMPTS], headers[REPLAYS]) == (b"1", b"1")
    assert not [name for name in headers if name.startswith(CONNECT) or name == REASON]


def test_what_is_replayed_is_hidden_until_it_dies_again_under_the_same_id() -> None:
    """However often copies of an earlier death come late, and whatever the clocks say."""
    world = World()
    origin = world.published()
    world.dies(origin)
    (first,) = world.dead()
    world.replay()
    assert world.dead() == []
    assert [known.state for known in world.dead(resolved=True)] == ["replayed"]
    world.dies(origin)
    assert world.dead() == []
    world.clock.wait(-3600)
    world.dies(world.last())
    (again,) = world.dead()
    assert (again.letter.id, again.letter.replays, again.letter.attempts, again.copies) == (first.letter.id, 1, 2, 3)
    assert again.letter.first_seen == first.letter.first_seen
    assert again.letter.origin == first.letter.origin


def test_the_loop_guard_counts_replays_and_gives_way_to_force() -> None:
    """Three times and dead again: the fourth is an operator's own decision."""
    world = World()
    world.dies(world.published())
    for _ in range(3):
        assert results(world.replay()) == ["replayed"]
        world.dies(world.last())
    (refused,) = world.replay()
    assert refused.result == "refused"
    assert "replayed 3 times" in refused.detail
    assert results(world.replay(force=True)) == ["replayed"]
    assert dict(world.last().headers)[REPLAYS] == b"4"


def test_the_loop_guard_holds_though_the_resolutions_are_lost() -> None:
    """The copies themselves carry the count."""
    world = World()
    world.dies(world.published())
    for _ in range(3):
        world.replay()
        world.dies(world.last())
    world.broker.logs[f"{NAMESPACE}.dead.resolutions", 0].clear()
    assert results(world.replay()) == ["refused"]


def test_a_letter_named_by_its_id_is_not_replayed_twice_without_force() -> None:
    """It may be on its way still."""
    world = World()
    world.dies(world.published())
    (known,) = world.dead()
    ids = frozenset({known.letter.id})
    world.replay(ids=ids)
    (refused,) = world.replay(ids=ids)
    assert "has not died again" in refused.detail
    assert results(world.replay(ids=ids, force=True)) == ["replayed"]


def test_a_drop_is_for_ever_and_says_why() -> None:
    """A later copy stays hidden, and no force replays it."""
    world = World()
    origin = world.published()
    world.dies(origin)
    (known,) = world.dead()
    ids = frozenset({known.letter.id})
    assert results(world.drop()) == ["dropped"]
    world.dies(origin)
    assert world.dead() == []
    assert [(one.action, one.why, one.worker) for one in resolutions(world)] == [
        ("dropped", "gone for good", "embedder")
    ]
    assert results(world.replay(ids=ids, force=True)) == ["refused"]
    assert results(world.drop(ids=ids)) == ["refused"]


def test_a_dry_run_writes_nothing_and_says_what_would_be_refused() -> None:
    """For both commands."""
    world = World()
    world.dies(world.published())
    world.dies(world.published(key=b"bea", value=b"2"), reason="media_gone")
    before = {name: len(log) for name, log in world.broker.logs.items()}
    assert results(world.replay(dry_run=True, most=1)) == ["chosen", "chosen"]
    assert results(world.drop(dry_run=True)) == ["chosen", "chosen"]
    assert {name: len(log) for name, log in world.broker.logs.items()} == before


def test_letters_go_back_in_the_order_in_which_their_events_lay() -> None:
    """An edit must not overtake what it edits."""
    world = World()
    events = [world.published(value=b"%d" % number) for number in range(250)]
    for event in reversed(events):
        world.dies(event)
    assert set(results(world.replay())) == {"replayed"}
    values = [record.value for record in world.broker.read(f"{NAMESPACE}.posts") if record.key == b"ana"]
    assert values == [event.value for event in events] * 2


def test_a_broker_that_takes_nothing_ends_the_replay_and_what_went_is_listed() -> None:
    """Nothing is called replayed that is not acknowledged."""
    world = World()
    for number in range(150):
        world.dies(world.published(value=b"%d" % number))
    world.producer.failing.add(f"{NAMESPACE}.posts")
    outcomes = world.replay()
    assert results(outcomes) == ["failed"] * 150
    assert "not tried" in outcomes[-1].detail
    assert len(world.dead()) == 150
    assert resolutions(world) == []


def test_a_replay_that_cannot_be_noted_stays_listed() -> None:
    """It may be replayed again: an older revision changes nothing."""
    world = World()
    world.dies(world.published())
    world.producer.failing.add(f"{NAMESPACE}.dead.resolutions")
    (outcome,) = world.replay()
    assert outcome.result == "failed"
    assert "stays listed" in outcome.detail
    assert len(world.dead()) == 1
    assert results(world.drop()) == ["failed"]


def test_what_went_round_goes_back_to_its_first_topic() -> None:
    """Forwarded to ``embedder.rekeyed`` and dead there."""
    world = World()
    headers = ((ORIGIN + "topic", b"n.posts"), (ORIGIN + "partition", b"2"), (ORIGIN + "offset", b"9"))
    identity = (ID, b"0a3f3f6e-52b5-5e0e-9a53-6f1d0c1f2b77")
    world.dies(world.published("embedder.rekeyed", headers=(*headers, identity)))
    assert results(world.replay()) == ["replayed"]
    assert world.last("posts").value == b"{}"


@pytest.mark.parametrize(
    ("topic", "told"),
    [
        (b"n.embedder.rekeyed", "first topic is not known"),
        (b"n.signals", "no topic from which embedder"),
        (b"n.embedder.dead", "no topic from which embedder"),
        (b"n.embeddings", "no topic from which embedder"),
        (b"elsewhere", "no topic from which embedder"),
        (b"\xff\x1b[2J", "no topic from which embedder"),
    ],
)
def test_a_strangers_headers_lead_a_replay_nowhere(topic: bytes, told: str) -> None:
    """Only into what the letter's worker reads and the list of topics lets replays into."""
    world = World()
    forged = ((ORIGIN + "topic", topic), (ORIGIN + "partition", b"0"), (ORIGIN + "offset", b"0"))
    world.dies(world.published(headers=(*forged, (ID, b"0a3f3f6e-52b5-5e0e-9a53-6f1d0c1f2b77"))))
    (outcome,) = world.replay(force=True)
    assert outcome.result == "refused"
    assert told in outcome.detail


def test_an_id_that_a_stranger_claims_hides_no_letter() -> None:
    """Copies have the same bytes; what has others stands beside it."""
    world = World()
    world.dies(world.published())
    (real,) = world.dead()
    origin = real.letter.origin
    forged = (
        (ORIGIN + "topic", origin.topic.encode()),
        (ORIGIN + "partition", b"%d" % origin.partition),
        (ORIGIN + "offset", b"%d" % origin.offset),
        (ID, real.letter.id.encode()),
        (REPLAYS, b"999"),
    )
    world.dies(world.published(value=b"other", headers=forged))
    assert len(world.dead()) == 2


def test_one_id_at_two_workers_is_two_letters() -> None:
    """A topic may have two readers; one of them done does not settle the other."""
    world = World()
    event = world.published("erasures", key=b"hash")
    world.dies(event, "embedder")
    world.dies(event, "indexer")
    assert len(world.dead()) == 2
    world.drop(workers=frozenset({"indexer"}))
    assert [known.letter.worker for known in world.dead()] == ["embedder"]


def compacted(world: World) -> InRecord:
    """A creator's update that the indexer could not use."""
    event = world.published("creators", value=b"first")
    world.dies(event, "indexer", "store_refused")
    return event


def test_into_a_compacted_topic_goes_only_what_is_still_its_keys_newest() -> None:
    """A replay of the very record changes nothing for other readers; one over a newer record would undo it."""
    world = World()
    compacted(world)
    assert results(world.replay()) == ["replayed"]
    world.dies(world.last("creators"), "indexer", "store_refused")
    assert results(world.replay()) == ["replayed"]
    world.published("creators", value=b"second")
    world.dies(world.broker.read("n.creators")[-2], "indexer", "store_refused")
    (outcome,) = world.replay(force=True)
    assert outcome.result == "refused"
    assert "a newer record of its key" in outcome.detail
    assert world.last("creators").value == b"second"


def test_what_a_compacted_topic_has_deleted_stays_deleted() -> None:
    """Nothing of the key is left: a replay would bring it back."""
    world = World()
    event = compacted(world)
    world.broker.logs[event.position.topic, event.position.partition].clear()
    assert results(world.replay()) == ["refused"]


def test_letters_are_chosen_by_all_that_is_said_of_them() -> None:
    """Worker, reason, key, id and time; together they narrow."""
    world = World()
    for number, (key, reason) in enumerate(
        [(b"ana", "media_gone"), (b"bea", "media_gone"), (b"ana", "malformed_json")]
    ):
        world.broker.now_ms += 60_000
        world.dies(world.published(key=key, value=b"%d" % number), reason=reason)
    everything = world.dead()
    assert len(everything) == 3
    by_time = sorted(everything, key=lambda known: known.letter.died_at)
    middle = by_time[1].letter.died_at
    assert len(world.dead(reasons=frozenset({"media_gone"}), keys=frozenset({b"ana"}))) == 1
    assert len(world.dead(workers=frozenset({"indexer"}))) == 0
    assert world.dead(ids=frozenset({by_time[2].letter.id})) == [by_time[2]]
    assert [k.letter.id for k in world.dead(since=middle)] == [k.letter.id for k in everything if k != by_time[0]]
    assert world.dead(until=middle) == [by_time[0]]


def test_a_letter_whose_time_is_over_fails_alone() -> None:
    """Its record is gone between the listing and the replay."""
    world = World()
    world.dies(world.published(value=b"1"))
    world.dies(world.published(key=b"cid", value=b"2"))
    chosen = world.dead()
    gone = chosen[0].letter.position
    world.broker.logs[gone.topic, gone.partition].clear()
    outcomes = world.tool.replay(chosen, Rules(world.tool.topics, 3), Pace(None, world.clock, world.clock.wait))
    assert sorted(results(outcomes)) == ["failed", "replayed"]
    assert world.tool.record(chosen[0]) is None


def test_a_record_that_is_no_resolution_settles_nothing_and_is_counted() -> None:
    """Not passed over in silence."""
    world = World()
    world.dies(world.published())
    world.broker.append("n.dead.resolutions", b"x", b"{", (("ce_type", b"io.streamscout.DeadLetterResolved"),))
    assert len(world.dead()) == 1
    assert world.tool.unreadable == 1


def test_only_what_may_be_meant_is_read() -> None:
    """Of the workers that are named, and since the time that is named, with an hour for clocks that differ."""
    world = World()
    for died in range(6):
        world.dies(world.published(value=b"%d" % died))
        world.broker.now_ms += 3_600_000
    told: list[int] = []
    world.tool._told = lambda what, done, total: told.append(done)
    assert [known.size for known in world.dead(since=NOW + timedelta(hours=4))] == [1, 1]
    assert told == [1, 2, 3]
    assert world.dead(workers=frozenset({"indexer"})) == []
    assert world.passes[-1] == ("n.indexer.dead", "n.dead.resolutions")


def test_a_list_is_cut_and_still_counts_all() -> None:
    """The oldest place first; what was dealt with is counted apart."""
    world = World()
    for died in range(5):
        world.dies(world.published(value=b"%d" % died))
    first = world.dead()[0].letter.id
    world.drop(ids=frozenset({first}))
    listing = world.tool.listed(Choice(), most=2)
    assert ([known.letter.origin.offset for known in listing.shown], listing.count, listing.hidden) == ([1, 2], 4, 1)
    listing = world.tool.listed(Choice(), resolved=True, most=2)
    assert ([known.letter.origin.offset for known in listing.shown], listing.count, listing.hidden) == ([0, 1], 5, 0)


def test_an_event_that_is_dead_at_two_workers_is_settled_for_each_by_itself() -> None:
    """Its letters share an id: the resolutions lie under keys of their own."""
    world = World()
    event = world.published("embeddings")
    for worker in ("creators", "indexer"):
        world.dies(event, worker)
    world.drop(workers=frozenset({"indexer"}))
    (left,) = world.dead()
    assert left.letter.worker == "creators"
    assert results(world.drop(workers=frozenset({"creators"}))) == ["dropped"]
    assert world.dead() == []
    keys = {record.key for record in world.broker.read(f"{NAMESPACE}.dead.resolutions")}
    assert keys == {f"{worker}|{left.letter.id}".encode() for worker in ("creators", "indexer")}
