"""The story of `publish`: lines in, in chunks; events out; what was wrong with each line that was not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import BinaryIO, Final

from workers.domain.reasons import InvalidEvent
from workers.publisher.lines import Line, numbered_lines, read_line
from workers.wire.cloudevents import Wire
from workers.wire.ingest import admit, ingest
from workers.wire.records import Producer

CHUNK_LINES: Final = 500
CHUNK_BYTES: Final = 8 * 1024 * 1024
"""What is read and sent before its acknowledgements are waited for."""


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is no event of the topic, with what is wrong."""

    number: int
    error: InvalidEvent


@dataclass(slots=True)
class PublishReport:
    """``lines``: those that are not blank. ``delivered``: acknowledged. ``undelivered``: why, by line number."""

    topic: str
    lines: int = 0
    delivered: int = 0
    bad: list[BadLine] = field(default_factory=list)
    undelivered: dict[int, str] = field(default_factory=dict)


Progress = Callable[[PublishReport, int], None]
"""Told after each chunk how far it is: the report so far, and the bytes read."""


class Publisher:
    """Publishes files to one topic. At least once; a repeat is the same CloudEvents, so that readers drop it."""

    def __init__(self, topic: str, wire: Wire, producer: Producer, progress: Progress) -> None:
        self._topic = topic
        self._wire = wire
        self._producer = producer
        self._progress = progress

    def publish(self, stream: BinaryIO, strict: bool) -> PublishReport:
        """Validate and publish every line. ``strict`` reads the file (which must be seekable) before, and sends nothing
        if any line is bad. Stops at the first chunk of which nothing is acknowledged: the broker is gone.
        """
        if strict:
            checked = self._check(stream)
            if checked.bad:
                return checked
            stream.seek(0)
        report = PublishReport(self._topic)
        for chunk in _chunks(stream):
            sound = self._read(chunk, report)
            sent = ingest(self._topic, [raw for _, raw in sound], self._wire, self._producer)
            numbers = [number for number, _ in sound]
            report.bad += [BadLine(numbers[index], error) for index, error in sent.errors.items()]
            report.bad.sort(key=lambda bad: bad.number)
            report.delivered += len(sent.accepted)
            report.undelivered |= {numbers[index]: why for index, why in sent.undelivered.items()}
            self._progress(report, chunk[-1].end)
            if sent.undelivered and not sent.accepted:
                break
        return report

    def _check(self, stream: BinaryIO) -> PublishReport:
        report = PublishReport(self._topic)
        for chunk in _chunks(stream):
            for number, raw in self._read(chunk, report):
                try:
                    admit(self._topic, raw, datetime.now(UTC))
                except InvalidEvent as error:
                    report.bad.append(BadLine(number, error))
        report.bad.sort(key=lambda bad: bad.number)
        return report

    def _read(self, chunk: list[Line], report: PublishReport) -> list[tuple[int, object]]:
        """The chunk's JSON values by line number; lines that are no JSON go to the report."""
        sound = []
        for line in chunk:
            report.lines += 1
            try:
                sound.append((line.number, read_line(line)))
            except InvalidEvent as error:
                report.bad.append(BadLine(line.number, error))
        return sound


def _chunks(stream: BinaryIO) -> Iterator[list[Line]]:
    chunk: list[Line] = []
    size = 0
    for line in numbered_lines(stream):
        chunk.append(line)
        size += len(line.text)
        if len(chunk) == CHUNK_LINES or size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
