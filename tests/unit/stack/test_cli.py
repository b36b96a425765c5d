"""The commands' exit codes that need no server."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from workers.stack import cli


def run(command: Callable[..., None], *arguments: str, **environment: str) -> tuple[int, str]:
    """Exit code and all output."""
    app = typer.Typer()
    app.command()(command)
    result = CliRunner().invoke(app, list(arguments), env=environment)
    return result.exit_code, result.output


@pytest.mark.parametrize("command", [cli.up, cli.down])
def test_a_server_that_nobody_knows_is_a_usage_error(command: Callable[..., None], tmp_path: Path) -> None:
    """With the names that there are."""
    code, output = run(command, "--only", "oracle", STREAMSCOUT_DATA_DIR=str(tmp_path))
    assert code == 2
    assert "no server named oracle; there are: kafka, schema-registry, weaviate, triton" in output


def test_a_wrong_setting_is_a_usage_error(tmp_path: Path) -> None:
    """Its name stands in the message."""
    code, output = run(cli.status, STREAMSCOUT_DATA_DIR=str(tmp_path), STREAMSCOUT_BATCH_SIZE="many")
    assert code == 2
    assert "STREAMSCOUT_BATCH_SIZE" in output


def test_status_before_up_is_json_and_says_that_no_server_is_there(tmp_path: Path) -> None:
    """Exit 3: a server cannot be reached."""
    code, output = run(cli.status, "--json", STREAMSCOUT_DATA_DIR=str(tmp_path))
    assert code == 3
    assert {(line["kind"], line["ready"]) for line in json.loads(output)} == {("server", False)}


def test_down_before_up_stops_nothing(tmp_path: Path) -> None:
    """And is no error."""
    code, output = run(cli.down, "--json", STREAMSCOUT_DATA_DIR=str(tmp_path))
    assert code == 0
    assert '{"stopped": [], "wiped": false}' in output
