"""``python -m tests.evaluate.stack_writing FILE PER_SECOND``: publishes updates at a steady rate until stopped."""

from __future__ import annotations

import pickle
import sys
import threading
import time
from contextlib import closing
from itertools import cycle
from pathlib import Path

from workers.adapters.kafka import KafkaProducer
from workers.config import load_settings
from workers.wire.records import OutRecord


def main(file: Path, per_second: float) -> None:
    """One record after the other, from the first again after the last; a slow moment is made up for."""
    records: list[OutRecord] = pickle.loads(file.read_bytes())
    with closing(KafkaProducer(load_settings())) as producer:
        print("writing", flush=True)
        begun, pause = time.monotonic(), threading.Event()
        for number, record in enumerate(cycle(records)):
            pause.wait(max(0.0, begun + number / per_second - time.monotonic()))
            producer.send(record)


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
