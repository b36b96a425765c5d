"""``streamscout doctor``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from workers.config import Settings, SettingsError, load_settings
from workers.doctor import configuration, machine
from workers.doctor.checks import Check, run_checks
from workers.doctor.findings import Finding, exit_code

SECONDS = 25.0
MARKS = {"ok": "[green]ok[/]     ", "warning": "[yellow]warning[/]", "error": "[red]error[/]  "}


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Look at machine, settings, servers and workers, and say what to mend (exit 1; settings: 2, a server: 3)."""
    findings = examine()
    code = exit_code(findings)
    if as_json:
        typer.echo(json.dumps({"exit_code": code, "findings": [asdict(each) for each in findings]}, indent=2))
    else:
        _print(findings)
    raise typer.Exit(code)


def examine() -> Sequence[Finding]:
    """All findings. With settings that cannot be read only the machine and they are looked at."""
    try:
        settings = load_settings()
    except SettingsError as error:
        bare = Settings.model_construct()
        looked = _run({"machine": lambda: machine.judge(machine.look(bare), bare)})
        return [*looked, *configuration.judge_refusal(str(error))]
    return _run(checks_of(settings))


def checks_of(settings: Settings) -> dict[str, Check]:
    """Every check by name."""
    # Each client library takes its time: only whom the servers are asked by loads them.
    from workers.doctor import fleet, kafka, servers

    return {
        "machine": lambda: machine.judge(machine.look(settings), settings),
        "settings": partial(configuration.judge, settings),
        "kafka": partial(kafka.examine, settings),
        "registry": partial(servers.examine_registry, settings),
        "weaviate": partial(servers.examine_weaviate, settings),
        "triton": partial(servers.examine_triton, settings),
        "workers": partial(fleet.examine, settings),
    }


def _run(checks: dict[str, Check]) -> list[Finding]:
    columns = (TextColumn("examining {task.description}"), BarColumn(20), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(", ".join(checks), total=len(checks))
        waiting = dict.fromkeys(checks)

        def done(name: str) -> None:
            del waiting[name]
            progress.update(task, advance=1, description=", ".join(waiting) or "done")

        return run_checks(checks, SECONDS, done)


def _print(findings: Sequence[Finding]) -> None:
    console = Console()
    for each in findings:
        console.print(f"{MARKS[each.level]} {each.check:9} {escape(each.what)}", soft_wrap=True, highlight=False)
        if each.do:
            console.print(f"                  → {escape(each.do)}", soft_wrap=True, highlight=False)
    counts = {level: sum(each.level == level for each in findings) for level in MARKS}
    console.print(f"{counts['ok']} ok, {counts['warning']} warnings, {counts['error']} errors", highlight=False)
