"""`streamscout publish` on the real Kafka and registry."""

from __future__ import annotations

import io
import json
import random
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import typer
from click.testing import Result
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource
from typer.testing import CliRunner

from tests.reading import read_records
from tests.waiting import eventually
from workers.adapters.kafka_producer import KafkaProducer
from workers.adapters.registry import build_codec
from workers.config import Settings, child_environment
from workers.domain.events import ImpressionsCounted, PostPublished
from workers.domain.partitioning import partition_of
from workers.publisher.cli import publish
from workers.publisher.main import publish_stream
from workers.wire.cloudevents import Wire, attributes
from workers.wire.records import OutputRefused, OutRecord, Unavailable

APP = typer.Typer()
APP.command()(publish)


def post(number: int, **changes: Any) -> str:
    """A line."""
    return json.dumps(
        {
            "post_id": f"p{number}",
            "creator_id": f"c{number % 7}",
            "revision": 1,
            "platform": "instagram",
            "url": f"https://example.com/{number}",
            "published_at": "2026-05-04T18:30:00Z",
            "media": [{"url": "file:pictures/1.png", "kind": "image"}],
            **changes,
        }
    )


def run(settings: Settings, *arguments: str, stdin: str | None = None) -> Result:
    """The command with these settings in its environment."""
    environment = {k: v for k, v in child_environment(settings).items() if k.startswith("STREAMSCOUT_")}
    return CliRunner().invoke(APP, list(arguments), input=stdin, env=environment)


def file_of(folder: Path, lines: Sequence[str]) -> str:
    """A file with these lines."""
    path = folder / "lines.jsonl"
    path.write_text("\n".join(lines))
    return str(path)


def test_good_lines_are_on_the_topic_and_bad_ones_in_the_answer(settings: Settings, tmp_path: Path) -> None:
    """1,200 lines, three of them bad: exit 1, each told by number and field; the rest keyed, placed and in Avro."""
    lines = [post(number) for number in range(1200)]
    lines[10] = post(10, media=[{"url": "file:x", "kind": "audio"}])
    lines[600] = "nonsense"
    lines[1199] = json.dumps({"type": "PostRemoved", "post_id": "p1199", "creator_id": "c9"})
    result = run(settings, "posts", file_of(tmp_path, lines))
    assert result.exit_code == 1
    told = result.stdout.splitlines()
    assert [line.split(":")[:2] for line in told[:3]] == [
        ["line 11", " media.0.kind"],
        ["line 601", " not JSON at column 1"],
        ["line 1200", " revision"],
    ]
    assert told[3] == "posts: 1197 delivered, 3 bad, 0 not delivered, of 1200 lines"
    records = read_records(settings, "posts", 1197)
    assert len(records) == 1197
    wire = Wire(build_codec(settings), "test", settings.namespace)
    for record in records:
        event = wire.read(record, (PostPublished,))
        assert record.position.partition == partition_of(event.key().encode(), 4)
        assert record.value is not None
        assert record.value[:1] == b"\x00"
    assert attributes(records[0].headers)["datacontenttype"] == "application/avro"


def test_strict_sends_nothing_if_any_line_is_bad(settings: Settings, tmp_path: Path) -> None:
    """From a file or from standard input; and everything once the line is mended."""
    lines = [post(1), post(2, revision=-1)]
    for result in (
        run(settings, "posts", file_of(tmp_path, lines), "--strict", "--json"),
        run(settings, "posts", "-", "--strict", "--json", stdin="\n".join(lines)),
    ):
        assert result.exit_code == 1
        answer = json.loads(result.stdout)
        assert (answer["delivered"], answer["bad"][0]["line"], answer["bad"][0]["fields"][0]["field"]) == (
            0,
            2,
            "revision",
        )
    assert run(settings, "posts", "-", "--strict", stdin="\n".join([post(1), post(2)])).exit_code == 0
    assert len(read_records(settings, "posts", 2)) == 2


def test_a_file_published_again_is_the_same_events(settings: Settings, tmp_path: Path) -> None:
    """The same CloudEvents ids; a line's own id is kept."""
    path = file_of(tmp_path, [post(1), post(2, id="scrape-2")])
    assert [run(settings, "posts", path).exit_code for _ in range(2)] == [0, 0]
    ids = [attributes(record.headers)["id"] for record in read_records(settings, "posts", 4)]
    assert len(ids) == 4
    assert len(set(ids)) == 2
    assert ids.count("scrape-2") == 2


def test_without_a_registry_values_are_json(new_settings: Callable[..., Settings], tmp_path: Path) -> None:
    """Which our workers read as well."""
    settings = new_settings(schema_registry_url=None)
    counted = {"type": "ImpressionsCounted", "event_id": "e", "brand_id": "b", "campaign_id": "k", "creator_id": "c"}
    times = dict.fromkeys(("occurred_at", "window_start", "window_end"), "2026-05-20T12:00:00Z")
    assert (
        run(settings, "outcomes", file_of(tmp_path, [json.dumps({**counted, **times, "impressions": 9})])).exit_code
        == 0
    )
    (record,) = read_records(settings, "outcomes", 1)
    assert json.loads(record.value or b"")["impressions"] == 9
    event = Wire(build_codec(settings), "test", settings.namespace).read(record, (ImpressionsCounted,))
    assert event.impressions == 9


def test_a_line_that_the_broker_finds_too_large_is_not_counted_as_delivered(settings: Settings, tmp_path: Path) -> None:
    """Valid, but over this topic's limit: told by its number, its neighbours are delivered."""
    topic = ConfigResource(ConfigResource.Type.TOPIC, f"{settings.namespace}.posts")
    topic.add_incremental_config(ConfigEntry("max.message.bytes", "50000", incremental_operation=AlterConfigOpType.SET))
    admin = AdminClient({"bootstrap.servers": str(settings.kafka_bootstrap)})
    for done in admin.incremental_alter_configs([topic]).values():
        done.result(60)
    eventually(lambda: refused(settings, 60_000), 60, "the limit holds at the broker")
    # Each on a partition of its own: a broker refuses a whole batch, and batches are of one partition.
    alone = {partition_of(f"c{number}".encode(), 4): f"c{number}" for number in range(50)}
    lines = [post(n, creator_id=alone[n], media=media_of(5) if n == 2 else []) for n in (1, 2, 3)]
    result = run(settings, "posts", file_of(tmp_path, lines), "--json")
    assert result.exit_code == 1
    answer = json.loads(result.stdout)
    assert (answer["delivered"], [each["line"] for each in answer["undelivered"]]) == (2, [2])


def test_a_line_that_no_topic_takes_is_a_bad_line(settings: Settings, tmp_path: Path) -> None:
    """Each of its fields is in range, together they are over 1 MB: a repeat would not help."""
    result = run(settings, "posts", file_of(tmp_path, [post(1), post(2, media=media_of(20)), post(3)]), "--json")
    assert result.exit_code == 1
    answer = json.loads(result.stdout)
    assert (answer["delivered"], [each["line"] for each in answer["bad"]]) == (2, [2])


def refused(settings: Settings, size: int) -> bool:
    """Whether the broker finds it too large by now: a topic's limit holds a little after it was set."""
    producer = KafkaProducer(settings)
    try:
        producer.send(OutRecord(f"{settings.namespace}.posts", b"probe", random.Random(1).randbytes(size))).result(60)
    except OutputRefused:
        return True
    finally:
        producer.close()
    return False


def media_of(number: int) -> list[dict[str, str]]:
    """Pictures with the longest texts, in letters that do not compress: 60 kB each."""
    letters = random.Random(1)
    text = ["".join(chr(letters.randrange(0x4E00, 0x9FFF)) for _ in range(20_000)) for _ in range(number)]
    return [{"url": f"https://e.com/{n}", "kind": "image", "alt_text": text[n]} for n in range(number)]


@pytest.mark.parametrize(
    "arguments", [("embeddings", "x.jsonl"), ("posts", "there-is-no-such-file.jsonl"), ("posts", "/")]
)
def test_a_wrong_topic_or_file_is_a_usage_error(settings: Settings, arguments: tuple[str, ...]) -> None:
    """Exit 2, and what to do about it."""
    result = run(settings, *arguments)
    assert result.exit_code == 2
    assert "outcomes" in result.stderr or arguments[1] in result.stderr


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_a_broker_that_is_gone_is_told_in_one_sentence(settings: Settings) -> None:
    """As Unavailable, with the address and how long was waited; not a line is read."""
    gone = settings.model_copy(update={"kafka_bootstrap": f"127.0.0.1:{free_port()}"})
    stream = io.BytesIO(b"never read")
    with pytest.raises(
        Unavailable, match=rf"^Kafka at {gone.kafka_bootstrap} did not answer within 0.5 s \(.*refused\)$"
    ):
        publish_stream(gone, "posts", stream, strict=False, progress=lambda report, read: None, patience=0.5)
    assert stream.tell() == 0


def test_a_registry_that_is_gone_stops_the_command_before_anything_is_sent(settings: Settings) -> None:
    """As Unavailable, which the command line answers with 3."""
    gone = settings.model_copy(update={"schema_registry_url": f"http://127.0.0.1:{free_port()}"})
    with pytest.raises(Unavailable, match="registry"):
        publish_stream(gone, "posts", io.BytesIO(b"{}"), strict=False, progress=lambda report, read: None)
