"""``python -m tests.storm.planted``: is the comparison any good? Faults are planted in the workers, and each must show.

What ``make storm FAULTS=1`` runs. A fault that leads to no difference is a hole in the storm, and ends with 1.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from tests.storm.crashing import commits_before_storing, counts_repeats, folds_in_any_order
from tests.storm.playing import play, play_house
from tests.storm.scenarios import Scenario
from tests.storm.stage import Stage
from workers.config import load_settings
from workers.stack.servers import start_stack, stop_stack


@dataclass(frozen=True)
class Planted:
    """A fault in a worker. ``killed``: it shows only where the worker dies in the middle of its work."""

    fault: Callable[..., None]
    worker: str
    killed: bool = False

    def __call__(self, stage: Stage, more: Callable[[], None], _rng: random.Random) -> None:
        """The worker with the fault; one that commits too early is replaced, for nobody would wait for what it does."""
        stage.replace(self.worker, "tests.storm.crashing", self.fault.__name__, "0", "none")
        more()
        if self.killed:
            stage.ready()
            stage.pause(1.0)
            stage.kill(self.worker)
            stage.delivered()
            stage.quiet()
            stage.replace(self.worker)


FAULTS = (
    Planted(commits_before_storing, "embedder", killed=True),
    Planted(folds_in_any_order, "creators"),
    Planted(counts_repeats, "outcomes"),
)


def main() -> int:
    """0 where each fault is found, 1 where one is not."""
    parser = argparse.ArgumentParser(prog="python -m tests.storm.planted", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    seed = parser.parse_args().seed
    console, missed = Console(), 0
    with tempfile.TemporaryDirectory(prefix="streamscout-storm-servers-") as folder:
        bare = load_settings(data_dir=Path(folder))
        start_stack(bare)
        try:
            servers = load_settings(data_dir=Path(folder))
            for number, planted in enumerate(FAULTS):
                name = f"{planted.fault.__name__} in {planted.worker}"
                with play_house(servers, f"planted{number}x{seed}", seed) as (stage, world):
                    result = play(stage, world, Scenario(name, planted))
                console.print(f"{name}: {result.events} events, {len(result.differences)} differences (seed {seed})")
                console.print(f"    {(result.differences or ['NOT FOUND'])[0][:200]}", markup=False, highlight=False)
                missed += not result.differences
        finally:
            stop_stack(bare)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
