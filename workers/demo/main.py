"""``streamscout demo``: sets up the servers and workers, makes the sample world, tells the story, says how to go on."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import httpx
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from workers.config import Settings, load_settings
from workers.demo.bare import bare_rate
from workers.demo.flow import Flow, StepFailedError
from workers.demo.loads import publish_files, publish_paced
from workers.demo.observed import pictures_computed
from workers.demo.sample import SampleFiles, write_sample
from workers.demo.story import Told, tell
from workers.demo.world import World, load_artwork, make_world
from workers.stack.errors import StackError
from workers.stack.fleet import Fleet
from workers.stack.launcher import RECIPES, Launcher
from workers.stack.progress import Board
from workers.stack.setup import set_up

CREATORS, POSTS, LATE = 60, 1200, 200
PACED_PER_SECOND = 10.0
FAILED, UNREACHABLE, INTERRUPTED = 1, 3, 130


def run_demo(settings: Settings, console: Console, once: bool, seed: int) -> int:
    """The whole demo; 0 where every step did what it says. ``once`` works in a directory of its own and clears it."""
    if once:
        settings = settings.model_copy(update={"data_dir": settings.data_dir / "once"})
    began = time.monotonic()
    with ExitStack() as stack:
        if once:
            stack.callback(_clean_up, settings, console)
        try:
            _play(settings, console, seed, began, once)
        except KeyboardInterrupt:
            console.print("\n[red]the demo was interrupted[/]", highlight=False)
            _say_how_to_stop(settings, console, once)
            return INTERRUPTED
        except StepFailedError as error:
            console.print(f"[red]the demo failed:[/] {escape(str(error))}", highlight=False)
            _say_how_to_stop(settings, console, once)
            return FAILED
        except StackError as error:
            console.print(f"[red]the demo failed:[/] {escape(str(error))}", highlight=False)
            _say_how_to_stop(settings, console, once)
            return error.exit_code
        except httpx.HTTPError as error:
            console.print(
                f"[red]the demo failed:[/] the API or a worker does not answer: {escape(repr(error))}", highlight=False
            )
            _say_how_to_stop(settings, console, once)
            return UNREACHABLE
    return 0


def _say_how_to_stop(settings: Settings, console: Console, once: bool) -> None:
    """With ``--once`` everything is stopped anyway."""
    if not once:
        console.print(
            f"What was started may still run; `STREAMSCOUT_DATA_DIR={settings.data_dir} .venv/bin/streamscout down` "
            f"stops it. Logs: {settings.data_dir / 'logs'}",
            highlight=False,
            soft_wrap=True,
        )


def _play(settings: Settings, console: Console, seed: int, began: float, once: bool) -> None:
    console.rule("servers: Kafka, Schema Registry, Weaviate, Triton")
    with Board(console) as board:
        set_up(Launcher(settings, board).up(RECIPES), board)
    media_root = (settings.media_root or settings.data_dir / "media").resolve()
    # The demo's API stands on the loopback of one person's machine: it asks nobody for a key.
    ready = load_settings(**{**_explicit(settings), "media_root": media_root, "api_anonymous": "everything"})
    console.rule("the sample world")
    now = datetime.now(UTC).replace(microsecond=0)
    artwork = settings.model_repository / "sample_artwork"
    world = make_world(load_artwork(artwork), seed, CREATORS, POSTS, now)
    files = _write(world, artwork, media_root, settings.data_dir / "sample", now, console)
    console.rule("workers")
    with Board(console) as board:
        fleet = Fleet(ready, board)
        addresses = fleet.start()
    with httpx.Client(base_url=addresses["match"], timeout=30) as api:
        creators = tuple(profile.creator_id for profile in world.profiles)
        flow = Flow(console, api, addresses, creators, fleet.check)
        run, pictures = now.strftime("%Y%m%d%H%M%S"), partial(pictures_computed, ready)
        told = tell(console, flow, world, run, _loads(ready, files), LATE, pictures)
    per_post = sum(len(post.pictures) for post in world.posts) / len(world.posts)
    _summarise(console, told, per_post, bare_rate(ready, sorted((media_root / "sample").glob("*.jpg"))))
    console.print(f"everything took {time.monotonic() - began:.0f} s", highlight=False)
    if once:
        return
    console.print(_GO_ON.format(api=addresses["match"], data=settings.data_dir, media=media_root), highlight=False)


_GO_ON = """
The API runs at {api} (page: {api}/, documentation: {api}/docs). Go on with
  .venv/bin/streamscout search "birthday cake"
  .venv/bin/streamscout match "cosy coffee mornings"
  .venv/bin/streamscout publish posts FILE.jsonl     your own posts: http URLs, or files under {media}
  .venv/bin/streamscout status
  .venv/bin/streamscout down                         stops workers and servers
(data directory: {data})"""


def _explicit(settings: Settings) -> dict[str, object]:
    """What was given to these settings, for settings with the same and more."""
    return {name: getattr(settings, name) for name in settings.model_fields_set - {"media_root"}}


def _write(world: World, artwork: Path, media_root: Path, folder: Path, now: datetime, console: Console) -> SampleFiles:
    """The sample on disk. The revision is the time of the run, so that the demo can be run again on the same data."""
    total = sum(len(post.pictures) for post in world.posts)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("composing pictures", total=total)
        advance: Callable[[int], None] = partial(progress.advance, task)
        files = write_sample(world, artwork, media_root, folder, int(now.timestamp()), LATE, advance)
    films = sum(post.film for post in world.posts)
    console.print(
        f"  {len(world.profiles)} creators, {len(world.posts)} posts with {total} pictures ({films} of the posts "
        f"are videos, with a scene for each), {len(world.brands)} brands in {folder}",
        highlight=False,
    )
    return files


def _loads(settings: Settings, files: SampleFiles) -> tuple[Callable[[], int], Callable[[], int]]:
    everything = [("profiles", files.profiles), ("posts", files.posts)]

    def burst() -> int:
        publish_files(settings, [("brands", files.brands)])
        return publish_files(settings, everything)

    return burst, lambda: publish_paced(settings, "posts", files.late_posts, PACED_PER_SECOND)


def _summarise(console: Console, told: Told, per_post: float, bare: float) -> None:
    rate = told.burst.posts_per_second * per_post
    console.rule("what was measured")
    console.print(
        f"  all at once: {told.burst.posts_per_second:.1f} posts/s = {rate:.1f} pictures/s from Kafka to searchable; "
        f"Triton alone: {bare:.0f} pictures/s; ratio {rate / bare:.2f}\n"
        f"  evenly paced at {PACED_PER_SECOND:.0f} posts/s: freshness (event to searchable creator) "
        f"p50 {told.paced.freshness_p50:.2f} s, p99 {told.paced.freshness_p99:.2f} s\n"
        f"  the booked creator moved from rank {told.rank_before} to {told.rank_after}\n"
        f"  a safety policy removed {told.policed.removed} creators; no picture was embedded again",
        highlight=False,
    )


def _clean_up(settings: Settings, console: Console) -> None:
    """Stop what the demo started in its own directory and remove its data; the logs stay."""
    console.rule("cleaning up")
    with Board(console) as board:
        Fleet(settings, board).stop(settings.shutdown_seconds)
        Launcher(settings, board).down(RECIPES, wipe=True)
