"""``streamscout keys create | list | revoke``: who may use the API."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from workers.config import SettingsError, load_settings
from workers.match.keys import ApiKey, KeyFileError, Scope, new_key, read_keys, write_keys

_FAILED, _USAGE = 1, 2
_LIFE = re.compile(r"(\d{1,5})([dh])")
keys_app = typer.Typer(no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@keys_app.command()
def create(
    name: Annotated[str, typer.Argument(help="Whose key it is: letters, digits, dot, dash, underscore.")],
    scope: Annotated[list[Scope], typer.Option(help="What it opens; may be repeated.")],
    expires_in: Annotated[str | None, typer.Option(help="Such as 90d or 12h; without it the key stays good.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it, this once; only its hash is kept."""
    path, now = _path(), datetime.now(UTC).replace(microsecond=0)
    keys = _keys(path)
    if any(key.name == name for key in keys):
        _refuse(f"a key is called {name!r} already; revoke it first", _FAILED)
    try:
        key, kept = new_key(name, scope, now, None if expires_in is None else now + _life(expires_in))
    except ValidationError as error:
        _refuse(f"{error.errors()[0]['loc'][0]}: {error.errors()[0]['msg']}", _USAGE)
    write_keys(path, [*keys, kept])
    if as_json:
        typer.echo(json.dumps({"key": key, **_row(kept)}))
    else:
        typer.echo(key)
        typer.echo(f"Kept as a hash in {path}. It cannot be shown again.", err=True)


@keys_app.command("list")
def list_(as_json: AsJson = False) -> None:
    """The keys there are, without the keys."""
    rows = [_row(key) for key in _keys(_path())]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    table = Table("name", "scopes", "created", "expires", box=None)
    for row in rows:
        table.add_row(row["name"], " ".join(row["scopes"]), row["created_at"], row["expires_at"] or "never")
    Console().print(table)


@keys_app.command()
def revoke(name: Annotated[str, typer.Argument(help="The key's name.")]) -> None:
    """End a key. A running API knows at its next request."""
    path = _path()
    keys = _keys(path)
    if all(key.name != name for key in keys):
        _refuse(f"no key is called {name!r}", _FAILED)
    write_keys(path, [key for key in keys if key.name != name])
    typer.echo(f"revoked {name}")


def _path() -> Path:
    path = load_settings().api_keys_file
    if path is None:
        raise SettingsError("not set: STREAMSCOUT_API_KEYS_FILE (the file in which hashes of keys are kept)")
    return path


def _keys(path: Path) -> tuple[ApiKey, ...]:
    try:
        return read_keys(path) if path.exists() else ()
    except KeyFileError as error:
        raise SettingsError(f"STREAMSCOUT_API_KEYS_FILE: {error}") from error


def _life(text: str) -> timedelta:
    found = _LIFE.fullmatch(text)
    if found is None:
        _refuse("--expires-in: days or hours, such as 90d or 12h", _USAGE)
    number = int(found[1])
    return timedelta(days=number) if found[2] == "d" else timedelta(hours=number)


def _row(key: ApiKey) -> dict[str, Any]:
    body = key.model_dump(mode="json", exclude={"sha256"})
    return {**body, "scopes": sorted(body["scopes"])}


def _refuse(message: str, code: int) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(code)
