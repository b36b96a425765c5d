"""``streamscout evaluate`` against an API over a small world."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import uvicorn
from typer.testing import CliRunner

from tests.unit.match.world import World
from tests.waiting import eventually
from workers.evaluate import cli
from workers.match.app import create_app
from workers.wire.records import Unavailable

runner = CliRunner()
app = typer.Typer()
app.command()(cli.evaluate)
BREAD = {"brief": "bread", "relevant": {"ann": 2, "bea": 1}, "irrelevant": ["cid"]}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """An API on a free port, over creators of bread and sport."""
    small = World()
    small.post("b1", visual="bread", caption="bread")
    small.post("s1", visual="sport", caption="sport")
    for name, mixture in (("ann", {"bread": 1.0}), ("bea", {"bread": 0.6, "sport": 0.4}), ("cid", {"sport": 1.0})):
        small.creator(name, mixture)
    server = uvicorn.Server(uvicorn.Config(create_app(small.rooms()), port=0, log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    eventually(lambda: server.started)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


def labels(folder: Path, *lines: Any) -> str:
    """A file of these lines."""
    path = folder / "labels.jsonl"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    return str(path)


def test_briefs_and_searches_are_asked_and_judged(url: str, tmp_path: Path) -> None:
    """The best answers have all of both; the table names each brief by its line."""
    file = labels(tmp_path, BREAD, {"query": "sport", "blend": 0.5, "relevant": ["s1"]})
    found = runner.invoke(app, [file, "--api", url, "--json", "--at", "1", "--at", "10"])
    assert found.exit_code == 0, found.output
    report = json.loads(found.stdout)
    assert report["mean"]["ndcg@10"]["mean"] == pytest.approx(1.0)
    assert [(one["line"], one["kind"], one["recall@1"]) for one in report["briefs"]] == [
        (1, "match", 0.5),
        (2, "search", 1.0),
    ]
    shown = runner.invoke(app, [file, "--api", url])
    assert shown.exit_code == 0
    assert "ndcg@50" in shown.output
    assert "mean" in shown.output


def test_a_wrong_order_is_worth_less(url: str, tmp_path: Path) -> None:
    """Labels that prefer the one who is served last."""
    file = labels(tmp_path, {"brief": "bread", "relevant": {"bea": 1}})
    report = json.loads(runner.invoke(app, [file, "--api", url, "--json"]).stdout)
    assert 0 < report["mean"]["ndcg@10"]["mean"] < 1
    assert report["unlabelled"]["10"] == 2


def test_a_run_is_compared_with_one_that_was_kept(url: str, tmp_path: Path) -> None:
    """The same question with other weights, under its name."""
    kept = tmp_path / "before.json"
    first = labels(tmp_path, {**BREAD, "name": "bread", "weights": {"semantic": 0, "freshness": 0}})
    assert runner.invoke(app, [first, "--api", url, "--out", str(kept)]).exit_code == 0
    second = labels(tmp_path, {**BREAD, "name": "bread"})
    found = runner.invoke(app, [second, "--api", url, "--against", str(kept), "--json"])
    assert found.exit_code == 0, found.output
    against = json.loads(found.stdout)["against"]
    assert (against["briefs"], against["only_now"], against["only_before"]) == (1, 0, 0)
    assert "over 1 briefs" in runner.invoke(app, [second, "--api", url, "--against", str(kept)]).output


def test_a_report_that_somebody_changed_is_told_apart(url: str, tmp_path: Path) -> None:
    """Usage, not a traceback."""
    for briefs in ([{}], [None], {"a": 1}):
        kept = tmp_path / "before.json"
        kept.write_text(json.dumps({"at": [10, 50], "mean": {}, "briefs": briefs}))
        found = runner.invoke(app, [labels(tmp_path, BREAD), "--api", url, "--against", str(kept)])
        assert (found.exit_code, "not a report" in found.output) == (2, True), found.output


def test_bad_lines_end_it_before_anything_is_asked(tmp_path: Path) -> None:
    """All of them, by number; nobody listens at the address."""
    found = runner.invoke(app, [labels(tmp_path, BREAD, "{", {"brief": "x"}), "--api", "http://127.0.0.1:9"])
    assert found.exit_code == 2
    assert "line 2: not JSON" in found.output
    assert "line 3: relevant" in found.output
    assert "2 bad lines; nothing was asked" in found.output


@pytest.mark.parametrize(
    ("options", "said"),
    [(["--at", "0"], "--at: from 1"), (["--at", "101"], "from 1 to 100"), (["--against", "missing"], "cannot be read")],
)
def test_wrong_options_are_usage(tmp_path: Path, options: list[str], said: str) -> None:
    """And so are files that are not there, or are no reports."""
    file = labels(tmp_path, BREAD)
    found = runner.invoke(app, [file, *options])
    assert (found.exit_code, said in found.output) == (2, True)
    missing = runner.invoke(app, [str(tmp_path / "none.jsonl")])
    assert (missing.exit_code, "cannot be read" in missing.output) == (2, True)
    wrong = runner.invoke(app, [file, "--against", file])
    assert (wrong.exit_code, "not a report" in wrong.output) == (2, True)


def test_a_brief_that_the_api_refuses_fails_and_the_others_are_judged(url: str, tmp_path: Path) -> None:
    """Exit 1, with its line."""
    found = runner.invoke(app, [labels(tmp_path, BREAD, {"brand_id": "nobody", "relevant": ["ann"]}), "--api", url])
    assert found.exit_code == 1
    assert "line 2: refused:" in found.output


def test_an_api_that_is_gone_is_told_apart(tmp_path: Path) -> None:
    """The command line makes exit code 3 of it."""
    found = runner.invoke(app, [labels(tmp_path, BREAD), "--api", "http://127.0.0.1:9"])
    assert isinstance(found.exception, Unavailable)
