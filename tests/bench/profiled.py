"""A worker that says afterwards on what its processor time went: ``python -m tests.bench.profiled OUT.json WORKER``.

It counts from SIGUSR2 on, so that a start is not told as work. A thread looks at all others a hundred times a second:
what processor time one has used since the last look is put down to where it stands. Threads that Python does not know
(librdkafka's, gRPC's) are together what is left of the process.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import FrameType

EVERY_SECONDS = 0.01
PLACES = (
    ("decode and resize", ("/adapters/media_decode", "/adapters/media_frames", "/adapters/media_moving", "/PIL/")),
    ("fetch pictures", ("/adapters/media", "/httpcore/", "/h11/", "/embedder/pictures")),
    ("ask the encoder", ("/tritonclient/", "/aiohttp/", "/adapters/triton", "/embedder/encoding")),
    ("ask and fill the store", ("/weaviate/", "/grpc/", "/embedder/storing", "/embedder/objects")),
    ("events and schemas", ("/wire/", "/adapters/registry", "/fastavro/", "/domain/", "/confluent_kafka/schema")),
    ("read and write Kafka", ("/core/fetch", "/adapters/kafka", "/confluent_kafka/")),
)


def place_of(files: Iterable[str]) -> str:
    """The work that a stack is of: its files from the innermost out, the first that is known."""
    for file in files:
        for name, parts in PLACES:
            if any(part in file for part in parts):
                return name
    return "the loop"


def _files(frame: FrameType | None) -> Iterator[str]:
    while frame is not None:
        yield frame.f_code.co_filename
        frame = frame.f_back


class Sampler:
    """Seconds of processor time by place."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)

    def start(self) -> None:
        self.anew()
        self._thread.start()

    def anew(self) -> None:
        """Forget what was counted."""
        self._begun = time.process_time()
        self.seconds.clear()

    def stop(self) -> dict[str, float]:
        """What was found; the sampler's own time apart."""
        self._ended.set()
        self._thread.join()
        whole = time.process_time() - self._begun
        self.seconds["librdkafka and gRPC"] = max(0.0, whole - sum(self.seconds.values()))
        return dict(self.seconds)

    def _run(self) -> None:
        last: dict[int, float] = {}
        while not self._ended.wait(EVERY_SECONDS):
            frames = sys._current_frames()
            for thread in threading.enumerate():
                ident = thread.ident
                if ident is None or ident not in frames:
                    continue
                try:
                    now = time.clock_gettime(time.pthread_getcpuclockid(ident))
                except OSError:
                    continue
                used = now - last.get(ident, now)
                last[ident] = now
                own = thread is self._thread
                self.seconds["this profile" if own else place_of(_files(frames[ident]))] += used


def main(out: Path, worker: str) -> None:
    from workers.__main__ import main as command_line

    sampler = Sampler()
    sampler.start()
    signal.signal(signal.SIGUSR2, lambda *_: sampler.anew())
    sys.argv = ["streamscout", "run", worker]
    try:
        command_line()
    finally:
        out.write_text(json.dumps(sampler.stop()))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
