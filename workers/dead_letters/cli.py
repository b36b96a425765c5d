"""``streamscout dead list | show | replay | drop``: plain functions that the command line mounts.

Exit codes: 0 done, 1 a letter is unknown, refused or failed, 2 usage or settings, 3 a server is gone.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import orjson
import typer

from workers.config import Settings, load_settings
from workers.core.clock import SystemClock
from workers.dead_letters.box import Known
from workers.dead_letters.choosing import Choice, moment
from workers.dead_letters.pace import Pace
from workers.dead_letters.progress import Bar
from workers.dead_letters.replaying import Rules
from workers.dead_letters.showing import (
    as_json,
    lines_of,
    outcome_json,
    page_json,
    page_lines,
    printable,
    summary,
)
from workers.dead_letters.worker import DeadLetters, Outcome
from workers.domain.reasons import Reason
from workers.wire.cloudevents import Wire

FAILED, USAGE, UNREACHABLE = 1, 2, 3
BYTES: Final = 512

Ids = Annotated[list[str] | None, typer.Argument(help="Ids of dead letters, as `dead list` shows them.")]
Worker = Annotated[list[str] | None, typer.Option(help="Only of this worker. May be repeated.")]
ByReason = Annotated[list[str] | None, typer.Option("--reason", help="Only with this reason. May be repeated.")]
Since = Annotated[str | None, typer.Option(help="Only those that died since: a time, or a duration such as 2h or 7d.")]
Until = Annotated[str | None, typer.Option(help="Only those that died before: a time, or how long ago.")]
Key = Annotated[list[str] | None, typer.Option(help="Only with this key. May be repeated.")]
Most = Annotated[int | None, typer.Option("--max", help="This many at most, the oldest place first.", min=1)]
Everything = Annotated[bool, typer.Option("--everything", help="All that are dead, where nothing else chooses.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

dead_app = typer.Typer(no_args_is_help=True)


@dead_app.command("list")
def list_command(
    worker: Worker = None,
    reason: ByReason = None,
    since: Since = None,
    until: Until = None,
    key: Key = None,
    most: Most = None,
    all_: Annotated[bool, typer.Option("--all", help="Those too that were replayed or dropped.")] = False,
    json_: AsJson = False,
) -> None:
    """List dead letters, each event once by its newest copy."""
    choice = _choice(None, worker, reason, since, until, key)
    with _letters(load_settings()) as (letters, _):
        listing = _checked(letters, choice).listed(choice, all_, most)
        unreadable = letters.unreadable
    shown = listing.shown
    if json_:
        counts = {"count": listing.count, "hidden": listing.hidden, "unreadable_resolutions": unreadable}
        _print_json({"dead_letters": [as_json(known) for known in shown], **counts})
        return
    for known in shown:
        typer.echo("\n".join(lines_of(known)))
    cut = f" ({len(shown)} shown)" if len(shown) < listing.count else ""
    typer.echo(f"{listing.count} dead letters{cut}; {listing.hidden} replayed or dropped are hidden")
    _warn(unreadable)


@dead_app.command("show")
def show_command(
    dead_id: Annotated[str, typer.Argument(metavar="ID", help="Id of a dead letter.")],
    most: Annotated[int, typer.Option("--bytes", help="Bytes of a value that is no event.", min=0)] = BYTES,
    json_: AsJson = False,
) -> None:
    """Show a dead letter: headers, the event or its bytes, and what to do about it."""
    with _letters(load_settings()) as (letters, wire):
        found = letters.choose(Choice(ids=frozenset({dead_id})))
        pages = [(known, page_json(known, letters.record(known), wire, most)) for known in found]
    if not pages:
        raise _fail(f"no dead letter {printable(dead_id)!r} is known", FAILED)
    if json_:
        _print_json({"dead_letters": [page for _, page in pages]})
        return
    for known, page in pages:
        typer.echo("\n".join(page_lines(page, known)))


@dead_app.command("replay")
def replay_command(
    ids: Ids = None,
    worker: Worker = None,
    reason: ByReason = None,
    since: Since = None,
    until: Until = None,
    key: Key = None,
    everything: Everything = False,
    most: Most = None,
    rate: Annotated[float | None, typer.Option(help="Records a second at most.", min=0.001)] = None,
    force: Annotated[bool, typer.Option("--force", help="Also what was replayed too often, or is replayed.")] = False,
    dry_run: DryRun = False,
    json_: AsJson = False,
) -> None:
    """Put dead letters back where the events first lay, as they were. Exit 1 if any was refused or failed."""
    choice = _chosen(_choice(ids, worker, reason, since, until, key), everything)
    settings = load_settings()
    with _letters(settings) as (letters, _):
        chosen = _checked(letters, choice).choose(choice, most)
        rules = Rules(letters.topics, settings.dead_replays, force)
        pace = Pace(rate, SystemClock(), threading.Event().wait)
        outcomes = letters.replay(chosen, rules, pace, dry_run)
    _end(choice, chosen, outcomes, json_)


@dead_app.command("drop")
def drop_command(
    why: Annotated[str, typer.Option(help="Why they are given up; kept for ever.", show_default=False)],
    ids: Ids = None,
    worker: Worker = None,
    reason: ByReason = None,
    since: Since = None,
    until: Until = None,
    key: Key = None,
    everything: Everything = False,
    most: Most = None,
    dry_run: DryRun = False,
    json_: AsJson = False,
) -> None:
    """Give dead letters up for ever, and say why. Nothing is deleted."""
    choice = _chosen(_choice(ids, worker, reason, since, until, key), everything)
    if not why.strip():
        raise _fail("--why: say why these are given up", USAGE)
    with _letters(load_settings()) as (letters, _):
        chosen = _checked(letters, choice).choose(choice, most)
        outcomes = letters.drop(chosen, why, dry_run)
    _end(choice, chosen, outcomes, json_)


@contextmanager
def _letters(settings: Settings) -> Iterator[tuple[DeadLetters, Wire]]:
    """The tool, which shows how far it has read. Kafka's client is loaded here: `--help` does without."""
    from workers.dead_letters.main import dead_letters

    with Bar() as bar, dead_letters(settings, bar.told) as opened:
        yield opened


def _choice(
    ids: Sequence[str] | None,
    worker: Sequence[str] | None,
    reason: Sequence[str] | None,
    since: str | None,
    until: str | None,
    key: Sequence[str] | None,
) -> Choice:
    unknown = sorted(set(reason or ()) - set(Reason))
    if unknown:
        raise _fail(f"--reason: {', '.join(unknown)}: there are {', '.join(Reason)}", USAGE)
    now = datetime.now(UTC)
    times = {}
    for name, text in (("since", since), ("until", until)):
        try:
            times[name] = None if text is None else moment(text, now)
        except ValueError as error:
            raise _fail(f"--{name}: {error}", USAGE) from error
    keys = frozenset(text.encode() for text in key or ())
    return Choice(frozenset(ids or ()), frozenset(worker or ()), frozenset(reason or ()), keys, **times)


def _chosen(choice: Choice, everything: bool) -> Choice:
    """What is changed must be chosen: a bare command must not put everything back."""
    if choice.given() == everything:
        given = "choose by id, --worker, --reason, --since, --until or --key; or say --everything"
        raise _fail(given if not everything else "--everything is for where nothing else chooses", USAGE)
    return choice


def _checked(letters: DeadLetters, choice: Choice) -> DeadLetters:
    """A worker that is none would choose nothing, and look like good news."""
    if unknown := sorted(choice.workers - letters.workers):
        raise _fail(f"--worker: {', '.join(unknown)}: there are {', '.join(sorted(letters.workers))}", USAGE)
    return letters


def _end(choice: Choice, chosen: Sequence[Known], outcomes: Sequence[Outcome], json_: bool) -> None:
    """Say what was done, and end with its exit code."""
    unknown = sorted(choice.ids - {known.letter.id for known in chosen})
    if json_:
        _print_json({"outcomes": [outcome_json(outcome) for outcome in outcomes], "unknown": unknown})
    else:
        for outcome in outcomes:
            because = f": {printable(outcome.detail)}" if outcome.detail else ""
            letter = outcome.known.letter
            typer.echo(f"{letter.id}  {letter.worker}  {printable(letter.reason)}  {outcome.result}{because}")
        for name in unknown:
            typer.echo(f"{printable(name)}  no dead letter of this id is chosen")
        typer.echo(summary(outcomes))
    raise typer.Exit(exit_code(outcomes, unknown))


def exit_code(outcomes: Sequence[Outcome], unknown: Sequence[str]) -> int:
    """0: all was done; 3: the broker took nothing of it; 1: something was not done."""
    results = {outcome.result for outcome in outcomes}
    if results == {"failed"} and not unknown:
        return UNREACHABLE
    return FAILED if unknown or results & {"failed", "refused"} else 0


def _warn(unreadable: int) -> None:
    if unreadable:
        typer.echo(f"{unreadable} records of dead.resolutions cannot be read: what they settled is listed", err=True)


def _print_json(value: dict[str, Any]) -> None:
    typer.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2))


def _fail(message: str, code: int) -> typer.Exit:
    typer.echo(f"error: {message}", err=True)
    return typer.Exit(code)
