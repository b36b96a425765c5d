"""``streamscout evaluate LABELS.jsonl``: a plain function that the command line mounts.

Exit codes: 0 done, 1 the API refused a brief, 2 a file or a setting is wrong, 3 the API is gone.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Final

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from workers.config import load_settings

_FAILED, _USAGE = 1, 2
_MOST: Final = 100
"""What an answer of the API holds at most."""
Figures = dict[str, Any]


def evaluate(
    file: Annotated[Path, typer.Argument(metavar="LABELS", help="JSON lines: briefs with who is relevant.")],
    at: Annotated[list[int] | None, typer.Option(help="A k of recall@k and nDCG@k; may be repeated.")] = None,
    out: Annotated[Path | None, typer.Option(help="Keep the report in this file, to compare with later.")] = None,
    against: Annotated[Path | None, typer.Option(help="Compare with a report that --out kept.")] = None,
    api: Annotated[
        str | None, typer.Option("--api", help="Address of the API; by default the one that runs here.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Ask the running API each labelled brief, and say how good the answers are: nDCG and recall with intervals."""
    from workers.evaluate.judging import compared, report_of  # brings numpy: `--help` does without

    ks = sorted(set(at or (10, 50)))
    if ks[0] < 1 or ks[-1] > _MOST:
        raise _fail(f"--at: from 1 to {_MOST}")
    labels, before = _labels(file), None if against is None else _kept(against)
    judged, failed = _asked(labels, ks, api)
    report = report_of(judged, failed, ks)
    if before is not None:
        try:
            report["against"] = compared(report, before)
        except ValueError as error:
            raise _fail(f"--against: {error}") from error
        except (KeyError, TypeError) as error:
            raise _fail(f"{against}: not a report that --out kept") from error
    if out is not None:
        out.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2))
    if as_json:
        typer.echo(orjson.dumps(report, option=orjson.OPT_INDENT_2))
    else:
        _show(report)
    raise typer.Exit(_FAILED if failed else 0)


def _labels(file: Path) -> list[Any]:
    from workers.evaluate.labels import BadLabels, read_labels
    from workers.publisher.lines import numbered_lines

    try:
        with file.open("rb") as stream:
            return list(read_labels(numbered_lines(stream)))
    except OSError as error:
        raise _fail(f"{file} cannot be read: {error.strerror or error}") from error
    except BadLabels as error:
        for number, why in error.errors.items():
            typer.echo(f"line {number}: {why}", err=True)
        raise _fail(f"{file}: {len(error.errors)} bad lines; nothing was asked") from error


def _kept(file: Path) -> Figures:
    try:
        report = orjson.loads(file.read_bytes())
    except OSError as error:
        raise _fail(f"{file} cannot be read: {error.strerror or error}") from error
    except orjson.JSONDecodeError as error:
        raise _fail(f"{file}: not JSON: {error.msg}") from error
    if not isinstance(report, dict) or not {"at", "briefs", "mean"} <= report.keys():
        raise _fail(f"{file}: not a report that --out kept")
    return report


def _asked(labels: Iterable[Any], ks: list[int], api: str | None) -> tuple[list[Any], list[Any]]:
    """Every question's answer judged. An API that is gone raises Unavailable, which the command line knows."""
    from workers.evaluate.judging import Failed, judge
    from workers.match.client import ApiClient, ApiRefusedError, find_api

    settings, labels = load_settings(), list(labels)
    key = settings.api_key.get_secret_value() if settings.api_key is not None else None
    judged, failed = [], []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with (
        ApiClient(api or find_api(settings.data_dir), key) as client,
        Progress(*columns, console=Console(stderr=True), transient=True) as progress,
    ):
        for labelled in progress.track(labels, description="briefs"):
            try:
                judged.append(judge(labelled, _served(client, labelled, ks[-1]), ks))
            except ApiRefusedError as error:
                failed.append(Failed(labelled, str(error)))
    return judged, failed


def _served(client: Any, labelled: Any, limit: int) -> list[str]:
    """The ids of the answer, best first."""
    if labelled.kind == "search":
        asked = {name: value for name, value in labelled.question.items() if name != "query"}
        hits = client.search(labelled.question["query"], limit=limit, **asked)["hits"]
        return [hit["post_id"] for hit in hits]
    hits = client.match({**labelled.question, "limit": limit})["hits"]
    return [hit["creator_id"] for hit in hits]


def _show(report: Figures) -> None:
    names = list(report["mean"])
    console = Console()
    table = Table("line", "brief", "good", *names, "unlabelled", box=None)
    first = str(report["at"][0])
    for one in report["briefs"]:
        title = escape("".join(c if c.isprintable() else " " for c in one["title"])[:50])
        figures = [f"{one[name]:.3f}" for name in names]
        table.add_row(str(one["line"]), title, str(one["relevant"]), *figures, str(one["unlabelled"][first]))
    table.add_section()
    table.add_row("", "mean", "", *(_figure(report["mean"][name]) for name in names), str(report["unlabelled"][first]))
    console.print(table)
    if report["unlabelled"][first]:
        console.print(f"unlabelled: ids among the first {first} that nobody labelled; they count as bad", markup=False)
    for one in report["failed"]:
        console.print(f"line {one['line']}: refused: {one['message']}", markup=False, highlight=False)
    if (against := report.get("against")) is not None:
        console.print(f"against the other run, over {against['briefs']} briefs that both asked:", markup=False)
        for name, found in against["difference"].items():
            console.print(f"  {name} {_figure(found, '+')}", markup=False, highlight=False)


def _figure(found: Figures, sign: str = "") -> str:
    """A mean with its interval, where there is one."""
    if found["mean"] is None:
        return "-"
    interval = "" if found["low"] is None else f" [{found['low']:{sign}.3f}, {found['high']:{sign}.3f}]"
    return f"{found['mean']:{sign}.3f}{interval}"


def _fail(message: str) -> typer.Exit:
    typer.echo(f"error: {message}", err=True)
    return typer.Exit(_USAGE)
