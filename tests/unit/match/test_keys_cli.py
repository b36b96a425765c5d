"""`streamscout keys`: make, list and revoke, as a person does."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from workers.config import Settings, SettingsError
from workers.match.keys import Scope, find_key, read_keys
from workers.match.keys_cli import keys_app
from workers.match.main import check_access

RUN = CliRunner()


@pytest.fixture(autouse=True)
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that the setting names; it does not exist yet."""
    path = tmp_path / "folder" / "keys.json"
    monkeypatch.setenv("STREAMSCOUT_API_KEYS_FILE", str(path))
    monkeypatch.setenv("STREAMSCOUT_DATA_DIR", str(tmp_path))
    return path


def test_a_key_is_made_shown_once_listed_and_revoked(path: Path) -> None:
    """Its secret is in no file and in no list."""
    made = RUN.invoke(keys_app, ["create", "page", "--scope", "search", "--expires-in", "90d", "--json"])
    assert made.exit_code == 0, made.output
    key = json.loads(made.stdout)["key"]
    kept = find_key(read_keys(path), key, datetime.now(UTC))
    assert kept is not None
    assert (kept.name, kept.scopes, kept.expires_at is not None) == ("page", {Scope.SEARCH}, True)
    listed = RUN.invoke(keys_app, ["list", "--json"])
    assert [row["name"] for row in json.loads(listed.stdout)] == ["page"]
    assert key not in listed.output + path.read_text()
    assert "page" in RUN.invoke(keys_app, ["list"]).output
    assert RUN.invoke(keys_app, ["revoke", "page"]).exit_code == 0
    assert read_keys(path) == ()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["create", "a b", "--scope", "search"], 2, "name"),
        (["create", "a", "--scope", "everything"], 2, "everything"),
        (["create", "a"], 2, "--scope"),
        (["create", "a", "--scope", "search", "--expires-in", "soon"], 2, "90d"),
        (["revoke", "nobody"], 1, "nobody"),
    ],
)
def test_what_cannot_be_done_says_why(arguments: list[str], code: int, said: str) -> None:
    """With the exit code of usage, or of an item that failed."""
    told = RUN.invoke(keys_app, arguments)
    assert (told.exit_code, said in told.output) == (code, True), told.output


def test_a_name_cannot_be_taken_twice() -> None:
    """Revoke it first."""
    RUN.invoke(keys_app, ["create", "a", "--scope", "search"])
    again = RUN.invoke(keys_app, ["create", "a", "--scope", "ingest"])
    assert (again.exit_code, "revoke" in again.output) == (1, True)


def test_without_the_setting_its_name_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A settings error, exit code 2 of the command line."""
    monkeypatch.delenv("STREAMSCOUT_API_KEYS_FILE")
    told = RUN.invoke(keys_app, ["list"])
    assert isinstance(told.exception, SettingsError)
    assert "STREAMSCOUT_API_KEYS_FILE" in str(told.exception)


def test_an_api_that_nobody_could_use_does_not_start(path: Path) -> None:
    """Nor one whose file of keys is none; a setting's name says which."""
    with pytest.raises(SettingsError, match="STREAMSCOUT_API_ANONYMOUS"):
        check_access(Settings(api_keys_file=None))
    check_access(Settings(api_keys_file=None, api_anonymous="search"))
    with pytest.raises(SettingsError, match="STREAMSCOUT_API_KEYS_FILE"):
        check_access(Settings(api_keys_file=path))
    RUN.invoke(keys_app, ["create", "a", "--scope", "search"])
    check_access(Settings(api_keys_file=path))
