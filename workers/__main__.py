"""The command line: ``streamscout``. Each command imports its room when it runs, so that `--help` is quick.

Exit codes: 0 done, 1 a check or an item failed, 2 usage or settings, 3 a server cannot be reached.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Annotated

import typer

from workers.config import Settings, SettingsError, load_settings, spare_the_loopback
from workers.domain.model_card import ModelCardError
from workers.domain.safety.prompts import SafetyError
from workers.wire.records import Unavailable

WORKERS = ("embedder", "creators", "indexer", "outcomes", "match")
USAGE, UNREACHABLE = 2, 3


def run(
    worker: Annotated[str, typer.Argument(help=f"One of {', '.join(WORKERS)}")],
    supervise: Annotated[bool, typer.Option("--supervise", help="Start it again when it ends by a law.")] = False,
) -> None:
    """Run one worker until SIGTERM."""
    if worker not in WORKERS:
        typer.echo(f"no worker is called {worker!r}; there are: {', '.join(WORKERS)}", err=True)
        raise typer.Exit(USAGE)
    settings = load_settings()
    if supervise:
        raise typer.Exit(supervised(worker, settings))
    raise typer.Exit(import_module(f"workers.{worker}.main").run(settings))


def supervised(worker: str, settings: Settings) -> int:
    """Run one worker as a child that is started again whatever ends it; its exit code once it is told to stop."""
    from workers.process.logs import configure_logging
    from workers.process.supervision import Supervisor

    configure_logging(settings)
    command = [sys.executable, "-m", "workers", "run", worker]
    return Supervisor(worker, command, settings.retry_seconds, settings.retry_max_seconds).run()


def build_app() -> typer.Typer:
    """The command line with each room's commands on it."""
    from workers.dead_letters.cli import dead_app
    from workers.demo import cli as demo
    from workers.doctor import cli as doctor
    from workers.evaluate import cli as evaluate
    from workers.match import cli as match
    from workers.match.keys_cli import keys_app
    from workers.model.cli import model_app
    from workers.publisher import cli as publisher
    from workers.safety.cli import safety_app
    from workers.stack import cli as stack
    from workers.stack import resume
    from workers.verify import cli as verify

    app = typer.Typer(
        name="streamscout",
        help="Keeps a creator index fresh: Kafka, NVIDIA Triton and Weaviate.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
    )
    commands = (
        stack.up,
        stack.down,
        stack.status,
        resume.resume,
        doctor.doctor,
        demo.demo,
        run,
        publisher.publish,
        match.search,
        match.match,
        match.similar,
        match.creator,
        verify.verify,
        match.explain,
        evaluate.evaluate,
    )
    for command in commands:
        app.command()(command)
    app.add_typer(dead_app, name="dead", help="List, show, replay and drop dead letters.")
    app.add_typer(keys_app, name="keys", help="Who may use the API: make, list and revoke keys.")
    app.add_typer(model_app, name="model", help="Build, list and check models.")
    app.add_typer(safety_app, name="safety", help="Brand safety: calibrate a model, score stored posts again.")
    app.add_typer(verify.state_app, name="state", help="Look at what is stored.")
    return app


def main() -> None:
    """Run the command line; settings that are wrong end it with 2, servers that are gone with 3."""
    spare_the_loopback()
    try:
        build_app()()
    except SettingsError as error:
        typer.echo(f"settings: {error}", err=True)
        sys.exit(USAGE)
    except ModelCardError as error:
        typer.echo(f"settings: STREAMSCOUT_MODEL_REPOSITORY: {error}", err=True)
        sys.exit(USAGE)
    except SafetyError as error:
        typer.echo(f"settings: {error}", err=True)
        sys.exit(USAGE)
    except Unavailable as error:
        typer.echo(f"cannot be reached: {error}", err=True)
        sys.exit(UNREACHABLE)


if __name__ == "__main__":
    main()
