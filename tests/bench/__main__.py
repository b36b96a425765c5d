"""``python -m tests.bench``: how fast and how fresh, against what the machine can do; what ``make bench`` runs.

Writes ``reports/bench.json`` and ``reports/bench.html``; with ``--only`` a part of them, under other names.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import orjson
from rich.console import Console

from tests.bench import creators, encoders, endurance, flow, indexing, machine, posting, preparing
from tests.bench.models import Models, build
from tests.bench.page import page_of
from tests.bench.photographs import MIXED, OF_1080, gallery
from tests.bench.report import NAMES, rows_of
from tests.bench.world import World, quiet
from tests.reports.machine import described, installed
from tests.reports.rows import good, table
from tests.reports.written import write
from workers.adapters.media_decode import Decoder
from workers.domain.vectors import Array
from workers.stack.triton import REQUIREMENTS, folder

PACKAGES = (
    "streamscout", "numpy", "Pillow", "confluent-kafka", "weaviate-client", "tritonclient", "open_clip_torch", "torch",
)  # fmt: skip
ENCODED, OF_EACH, ROUNDS, SECONDS = 128, 48, 3, 8.0
BACKLOG = 448
LIGHT, HEAVY = 0.1, 0.7
LIGHT_SECONDS, HEAVY_SECONDS, BESIDE_SECONDS = 80.0, 50.0, 60.0
_LOADS = ("light", "heavy")
BESIDE_SHARE = 0.9  # of what the encoder could do in that time, beside a tenth of live posts
WARM_UP, ENDURED, PROFILED = 4000, 20_000, 2000
INDEXED = 1200


class Bench:
    """What was measured so far. Each method measures some rows, in a world that the one before left as it found it."""

    def __init__(self, folder: Path, console: Console, share: float) -> None:
        self.folder, self._console, self._begun = folder, console, time.monotonic()
        self._share = share  # of the time that each measurement takes, where it is only tried
        self.values: dict[str, float] = {}
        self.details: dict[str, Any] = {}
        self.seen: list[dict[str, Any]] = []
        self.encoder, self.rest = machine.two_cores()
        self.models: Models
        self.world: World
        self.pixels: Array
        self.photographs: list[bytes]

    def say(self, text: str) -> None:
        """A line of progress."""
        self._console.print(f"{time.monotonic() - self._begun:6.0f} s  {text}", markup=False, highlight=False)

    def set_up(self) -> None:
        """Photographs, the model, servers."""
        self.say("photographs")
        mixed = gallery(self.folder / "mixed", ENCODED, MIXED)
        self.photographs = gallery(self.folder / "of_1080", OF_EACH, OF_1080, seed=2)
        self.models = build(self.folder, 2, self.say)
        self.say("servers")
        self.world = World(self.folder / "stack", self.models, self.folder / "mixed", self.encoder, self.rest)
        self.world.start()
        prepare = Decoder(self.world.settings, self.models.card, self.world.settings.media_pixels_at_once)
        self.pixels = np.stack([prepare(data) for data in mixed])
        np.save(self.folder / "pixels.npy", self.pixels)
        kilobytes = [len(data) / 1000 for data in mixed]
        self.details["pictures"] = {"kb_mean": round(float(np.mean(kilobytes)), 1), "kb_most": round(max(kilobytes), 1)}
        self.details["precision"] = self.models.precision

    def pinned(self) -> None:
        """Triton on its core with as many threads as it has cores, everything else on the other."""
        self.world.triton(self.models.one_core, {self.encoder})
        self.world.place({self.encoder}, {self.rest}, {self.rest})

    def preprocess(self) -> None:
        """preprocess_over_pillow, preprocess_cosine."""
        self.pinned()
        with machine.on({self.rest}):
            found = preparing.race(self.photographs, self.world.settings, self.models.card)
        self.say(f"on one core: Pillow {found.plain:.0f} photographs/s, ours {found.ours:.0f}")
        self.values["preprocess_over_pillow"] = found.ratio
        self.details["preprocess"] = asdict(found)
        cosine = preparing.least_cosine(self.photographs, self.world.settings, self.models.card, self.models.checkpoint)
        self.say(f"least cosine to open_clip's own path {cosine:.5f}")
        self.values["preprocess_cosine"] = cosine

    def engines(self) -> None:
        """triton_over_engine, cpu_target_over_torch_fp32."""
        self.pinned()
        home = self.world.settings.cache_dir.expanduser() / folder(REQUIREMENTS.read_text())
        pixels, core = self.folder / "pixels.npy", {self.encoder}
        with (
            machine.on({self.rest}),
            encoders.bare(home, self.models.one_core, self.models.precision, pixels, core) as engine,
            encoders.torch_float32(self.models.checkpoint, pixels, core) as torch,
        ):
            found = []
            triton = self.world.pids()["triton"]
            for number in range(ROUNDS):
                before = [machine.cpu_seconds(pid) for pid in (engine.pid, triton)]
                alone = engine.rate(SECONDS)
                served = encoders.served(self.world.settings, self.models.card, self.pixels, SECONDS)
                again = engine.rate(SECONDS)
                slow = torch.rate(SECONDS)
                used = [machine.cpu_seconds(pid) - then for pid, then in zip((engine.pid, triton), before, strict=True)]
                found.append({"engine": (alone + again) / 2, "triton": served, "torch_fp32": slow})
                said = ", ".join(f"{name} {rate:.1f}" for name, rate in found[-1].items())
                self.say(f"one core, pictures/s, round {number + 1}: {said}")
                # Where a core was not theirs alone, this tells: it should be as long as they were asked to work.
                found[-1] |= {"engine_core_s": used[0], "triton_core_s": used[1]}
        self.values["triton_over_engine"] = max(one["triton"] / one["engine"] for one in found)
        self.values["cpu_target_over_torch_fp32"] = max(one["triton"] / one["torch_fp32"] for one in found)
        self.details["engines"] = found

    def end_to_end_pinned(self) -> None:
        """end_to_end_over_triton_pinned, and what follows from its rate: the rows of freshness."""
        self.pinned()
        with self.world.embedder("pinned", {self.rest}), machine.on({self.rest}):
            self.world.place({self.encoder}, {self.rest}, {self.rest})
            found = self._rounds("pinned")
            self.values["end_to_end_over_triton_pinned"] = flow.best(found).ratio()
            self._freshness(median(one.end_to_end for one in found))

    def _freshness(self, sustained: float) -> None:
        """Light and heavy load turn about; the best ratio, as in all rows."""
        found = []
        for number in range(ROUNDS if self._share == 1 else 1):
            light = self._fresh("light", LIGHT * sustained, LIGHT_SECONDS, seed=10 * number + 1)
            heavy = self._fresh("heavy", HEAVY * sustained, HEAVY_SECONDS, seed=10 * number + 2)
            found.append((light, heavy))
        light, heavy = min(found, key=lambda each: each[1].p99 / each[0].p99)
        self.values["freshness_p99_70_over_10"] = heavy.p99 / light.p99
        self.values["freshness_p50_s"], self.values["freshness_p99_s"] = heavy.p50, heavy.p99
        past = round(BESIDE_SHARE * sustained * self._share * BESIDE_SECONDS)
        beside = self._fresh("light beside a backfill", light.rate, BESIDE_SECONDS, seed=3, backfill=past)
        named = {
            f"{name}_{n}": each for n, pair in enumerate(found, 1) for name, each in zip(_LOADS, pair, strict=True)
        }
        self.details["freshness"] = {
            name: asdict(each) for name, each in {**named, "light_beside_backfill": beside}.items()
        }

    def _fresh(self, name: str, rate: float, seconds: float, seed: int, backfill: int = 0) -> flow.Freshness:
        found = flow.freshness(self.world, rate, self._share * seconds, seed=seed, backfill=backfill)
        beside = f", {found.backfill:.1f} old posts/s meanwhile" if backfill else ""
        self.say(f"fresh, {name}, {rate:.1f} posts/s: p50 {found.p50:.2f} s, p99 {found.p99:.2f} s{beside}")
        return found

    def end_to_end_shared(self) -> None:
        """end_to_end_over_triton_shared."""
        both = {self.encoder, self.rest}
        self.world.triton(self.models.all_cores, both)
        with self.world.embedder("shared", both):
            self.world.place(both, both, both)
            self.values["end_to_end_over_triton_shared"] = flow.best(self._rounds("shared")).ratio()

    def _rounds(self, name: str) -> list[flow.Round]:
        rounds = ROUNDS if self._share == 1 else 1
        found = flow.rounds(self.world, self.pixels, self.say, times=rounds, posts=BACKLOG, seconds=SECONDS, name=name)
        self.seen += [one.seen.plain() for one in found]
        self.details[name] = [{"triton": one.triton, "end_to_end": one.end_to_end} for one in found]
        return found

    def endure(self) -> None:
        """posts_per_core_without_encoder, rss_slope_mb_per_1000_posts."""
        self.world.triton(self.models.instant, {self.rest})
        with self.world.embedder("endurance", {self.encoder}), machine.on({self.rest}):
            self.world.place({self.rest}, {self.rest}, {self.encoder})
            warm_up, posts = round(self._share * WARM_UP), round(self._share * ENDURED)
            found = endurance.endure(self.world, warm_up, posts, self.say)
        self.say(f"{found.per_core:.0f} posts for each second of a core, {found.slope:.2f} MB more every 1,000 posts")
        self.values["posts_per_core_without_encoder"] = found.per_core
        self.values["rss_slope_mb_per_1000_posts"] = found.slope
        self.seen.append(found.seen.plain())
        self.details["endurance"] = {"posts_per_s_by_the_clock": found.per_second, "memory_mb": found.memory}

    def creators_rate(self) -> None:
        """creators_events_per_s."""
        self.world.place({self.encoder}, {self.rest}, {self.rest})
        with machine.on({self.rest}):
            found = creators.rate(self.world.settings, {self.encoder}, self.say, self._share)
        self.values["creators_events_per_s"] = found.best
        self.details["creators"] = found.plain()

    def creators_cost(self) -> None:
        """creators_cost_100k_over_1k."""
        self.world.place({self.encoder}, {self.rest}, {self.rest})
        with machine.on({self.rest}):
            found = creators.costs(self.world.settings, {self.encoder}, self.say, self._share)
        self.values["creators_cost_100k_over_1k"] = creators.ratio(found)
        self.details["creators_by_how_many_are_known"] = creators.plain(found)

    def index(self) -> None:
        """indexer_over_weaviate, facet_writes_per_post."""
        settings, both = self.world.settings, {self.encoder, self.rest}
        events = indexing.flock(max(100, round(self._share * INDEXED)), self.models.card, seed=1)
        found = []
        with quiet() as board:
            for number in range(ROUNDS if self._share == 1 else 1):
                self.world.alone("weaviate")
                with machine.on({self.rest}):
                    found.append(indexing.race(settings, events, board, f"race{number}"))
                self.say(f"objects/s, Weaviate on a core of its own: {found[-1].told()}")
            self.world.place(both, both, both)
            shared = indexing.race(settings, events, board, "raceshared")
            self.say(f"objects/s, on both cores: {shared.told()}")
            written = posting.writes(settings, board, "writes", round(self._share * posting.VISITS) or 1)
        self.say(
            f"{written.posts} posts: of each {written.moved:.2f} facets inserted and {written.written:.2f} written; "
            f"{written.alone:.2f} inserted if each came by itself"
        )
        self.values["indexer_over_weaviate"] = max(one.ratio() for one in found)
        self.values["facet_writes_per_post"] = written.moved
        rounds = {f"round {number}": asdict(one) for number, one in enumerate(found, 1)}
        self.details["indexing"] = {
            **rounds,
            "both cores shared": asdict(shared),
            "of a stream of posts": asdict(written),
        }

    def profile(self) -> None:
        """No row: on what the embedder's processor time goes, with an encoder that answers at once."""
        self.world.triton(self.models.instant, {self.rest})
        out = self.folder / "profile.json"
        posts = round(self._share * PROFILED)
        with self.world.profiled("profile", {self.encoder}, out) as count, machine.on({self.rest}):
            flow.backlog(self.world, 4 * flow.BATCH)
            count()
            flow.backlog(self.world, posts)
        seconds = orjson.loads(out.read_bytes())
        shown = {name: 1000 * spent / posts for name, spent in seconds.items() if name != "this profile"}
        self.details["profile_ms_per_post"] = dict(sorted(shown.items(), key=lambda each: -each[1]))
        self.say(f"the embedder's milliseconds for a post: {', '.join(f'{n} {v:.1f}' for n, v in shown.items())}")


PARTS: dict[str, tuple[Callable[[Bench], None], tuple[str, ...]]] = {
    "preprocess": (Bench.preprocess, ("preprocess_over_pillow", "preprocess_cosine")),
    "engines": (Bench.engines, ("triton_over_engine", "cpu_target_over_torch_fp32")),
    "pinned": (
        Bench.end_to_end_pinned,
        ("end_to_end_over_triton_pinned", "freshness_p99_70_over_10", "freshness_p50_s", "freshness_p99_s"),
    ),
    "shared": (Bench.end_to_end_shared, ("end_to_end_over_triton_shared",)),
    "endurance": (Bench.endure, ("posts_per_core_without_encoder", "rss_slope_mb_per_1000_posts")),
    "creators_rate": (Bench.creators_rate, ("creators_events_per_s",)),
    "creators_cost": (Bench.creators_cost, ("creators_cost_100k_over_1k",)),
    "indexing": (Bench.index, ("indexer_over_weaviate", "facet_writes_per_post")),
    "profile": (Bench.profile, ()),
}


def main() -> int:
    """0 where every bar holds, 1 where one does not or a row could not be measured, 2 for a row that there is not."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", default="", help=f"rows, with commas between: {', '.join(NAMES)}")
    parser.add_argument("--quick", action="store_true", help="a tenth of the time, to try it: no report")
    arguments = parser.parse_args()
    asked = [name for name in arguments.only.split(",") if name]
    console = Console()
    if unknown := sorted(set(asked) - set(NAMES)):
        console.print(f"error: no row is named {', '.join(unknown)}; there are: {', '.join(NAMES)}", style="red")
        return 2
    chosen = [part for part, (_, rows) in PARTS.items() if not asked or set(rows) & set(asked)]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    this_machine = described()
    with tempfile.TemporaryDirectory(prefix="streamscout-bench-") as folder_name:
        bench = Bench(Path(folder_name), console, 0.1 if arguments.quick else 1.0)
        failures = run(bench, chosen)
    partial = bool(asked or failures or arguments.quick)
    bars = {} if this_machine["bf16"] else {"cpu_target_over_torch_fp32": None}
    rows = rows_of(bench.values, bars, partial=partial)
    report = {
        "machine": this_machine,
        "versions": installed(PACKAGES),
        "rows": rows,
        "details": bench.details,
        "seen": bench.seen,
        "failures": failures,
    }
    write("bench", report, page_of(report), partial=partial)
    console.print(table(rows))
    for name, failure in failures.items():
        console.print(f"error: {name} could not be measured: {failure}", style="red", markup=False, highlight=False)
    return 0 if good(rows) and not failures else 1


def run(bench: Bench, chosen: Sequence[str]) -> dict[str, str]:
    """The failures by part. The servers are stopped however it ends."""
    failures: dict[str, str] = {}
    try:
        bench.set_up()
        for part in chosen:
            try:
                PARTS[part][0](bench)
            except Exception as error:  # noqa: BLE001 - it is told at the end, and fails the run
                traceback.print_exception(error)
                failures[part] = f"{type(error).__name__}: {error}"[:500]
    finally:
        if hasattr(bench, "world"):
            bench.say("stopping the servers")
            bench.world.stop()
    return failures


if __name__ == "__main__":
    sys.exit(main())
