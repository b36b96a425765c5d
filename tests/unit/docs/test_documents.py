"""The documents say what the code does: settings, metrics, reasons, commands, targets and the tree."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from prometheus_client import REGISTRY

from tests.leftovers import kept_for_a_time
from tests.storm.scenarios import SCENARIOS
from workers import metrics
from workers.__main__ import build_app
from workers.config import REPOSITORY, Settings
from workers.containment.dead_letters import dead_letter
from workers.domain.events import SAFETY_CATEGORIES, BrandBriefed
from workers.domain.reasons import Reason
from workers.domain.topics import load_topics
from workers.wire import letters
from workers.wire.records import Dead, InRecord, Position

OPERATIONS = (REPOSITORY / "docs" / "operations.md").read_text()
DEAD_LETTERS = (REPOSITORY / "docs" / "dead-letters.md").read_text()
PROMISES, STORMS = (REPOSITORY / "docs" / "guarantees.md").read_text().split("## Which storm proves what")
README = (REPOSITORY / "README.md").read_text()
MAKEFILE = (REPOSITORY / "Makefile").read_text()
DOCUMENTS = sorted([REPOSITORY / "README.md", *(REPOSITORY / "docs").glob("*.md")])


def shown(default: object) -> str | None:
    """A default as the table writes it; None where it depends on the machine."""
    if isinstance(default, Path):
        return None
    return {None: "-", "": "empty"}.get(default, str(default)) if not hasattr(default, "isoformat") else None  # type: ignore[call-overload]


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_is_documented_with_its_default(name: str) -> None:
    """Name, default and meaning stand in one row of docs/operations.md."""
    field = Settings.model_fields[name]
    row = next((line for line in OPERATIONS.splitlines() if line.startswith(f"| `STREAMSCOUT_{name.upper()}` |")), None)
    assert row is not None, f"no row for {name}"
    assert row.endswith(f"| {field.description} |")
    if (default := shown(field.default)) is not None:
        assert f"| {default} |" in row


def test_no_document_names_a_setting_that_does_not_exist() -> None:
    """A setting that was renamed is renamed everywhere."""
    for document in DOCUMENTS:
        named = set(re.findall(r"STREAMSCOUT_([A-Z][A-Z_]+[A-Z])", document.read_text()))
        assert {name.lower() for name in named} <= set(Settings.model_fields), document


def test_every_metric_is_documented() -> None:
    """All of workers/metrics.py, by the name that Prometheus shows."""
    families = [family for family in REGISTRY.collect() if family.name.startswith("streamscout_")]
    assert len(families) >= len([name for name in vars(metrics) if name.isupper() and not name.startswith("_")])
    for family in families:
        name = f"{family.name}_total" if family.type == "counter" else family.name
        assert f"| `{name}` |" in OPERATIONS


def test_every_reason_of_a_dead_letter_is_documented_with_what_to_do() -> None:
    """The closed list as docs/dead-letters.md shows it is the one of the code: each code, its meaning, the advice."""
    section = DEAD_LETTERS.split("## Reasons")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    assert rows == [f"| `{reason.value}` | {reason.meaning} | {reason.what_to_do} |" for reason in Reason]


def test_every_reason_has_its_own_meaning_and_says_what_to_do() -> None:
    """Nobody adds a code without them; each piece of advice ends in a replay or in a drop."""
    assert len({reason.meaning for reason in Reason}) == len(Reason)
    for reason in Reason:
        assert re.search(r"\breplay\b|\bdrop\b", reason.what_to_do), reason


def test_every_header_of_a_dead_letter_is_documented() -> None:
    """Those that a worker writes, and the one of a replay."""
    record = InRecord(Position("posts", 0, 0, "id"), b"k", b"v", (), 0)
    letter = dead_letter(record, Dead(Reason.MEDIA_GONE, "gone"), "embedder.dead", "embedder", 0, datetime.now(UTC))
    section = DEAD_LETTERS.split("## Headers")[1].split("\n## ")[0]
    rows = [re.findall(r"`([^`]+)`", line.split("|")[1]) for line in section.splitlines() if line.startswith("| `")]
    shown = {name if "." in name.lstrip(".") else row[0].rpartition(".")[0] + name for row in rows for name in row}
    assert shown == {name for name, _ in letter.headers} | {letters.REPLAYS}


def test_every_promise_names_a_test_that_exists() -> None:
    """The last column of the first table of docs/guarantees.md: each path, and each file's bare name beside one."""
    rows = [line.split(" | ") for line in PROMISES.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 25
    files = {path.name for path in (REPOSITORY / "tests").rglob("test_*.py")}
    for row in rows:
        paths, names = re.findall(r"`(tests/[^`]+)`", row[-1]), re.findall(r"`(test_[^`/]+)`", row[-1])
        assert paths or "storm" in row[-1], row[0]
        assert [path for path in paths if not (REPOSITORY / path).exists()] == [], row[0]
        assert set(names) <= files, row[0]


def test_the_storms_of_make_test_are_those_that_the_guarantees_mark() -> None:
    """As many as are marked, each known by its name or by what it does to which server."""
    short = [scenario.name for scenario in SCENARIOS if scenario.short]
    marked = STORMS.count("(A)")
    assert marked == len(short) == 12
    for name in short:
        server, _, what = name.partition(" gone for ")
        assert f"{name} (A)" in STORMS or (what and f"{server} (A)" in STORMS), name


def test_every_make_target_that_a_document_names_exists() -> None:
    """`make x` in a document is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))
    for document in DOCUMENTS:
        named = set(re.findall(r"(?:^|`)make ([a-z]+)", document.read_text(), re.MULTILINE))
        assert named <= targets, document


def test_every_command_that_a_document_names_exists() -> None:
    """`streamscout x` in a document is a command of the command line."""
    command = typer.main.get_command(build_app())
    known = set(command.commands)  # type: ignore[attr-defined]
    for document in DOCUMENTS:
        named = set(re.findall(r"(?:bin/|`|^)streamscout ([a-z]+)", document.read_text(), re.MULTILINE))
        assert named <= known, document


def test_the_tree_in_the_readme_is_the_tree() -> None:
    """Every folder that the README's tree names is there."""
    tree = README.split("## The tree")[1].split("```")[1]
    folders = set(re.findall(r"^(\w+)/", tree, re.MULTILINE))
    rooms = {
        room
        for line in tree.splitlines()
        if line.startswith("  ")
        for room in re.findall(r"(\w+)/", line.split("   ")[0])
    }
    assert all((REPOSITORY / folder).is_dir() for folder in folders)
    assert all((REPOSITORY / "workers" / room).is_dir() for room in rooms)
    assert {path.name for path in (REPOSITORY / "workers").iterdir() if (path / "__init__.py").exists()} <= rooms


def test_the_documents_link_to_what_exists() -> None:
    """A relative link leads to a file."""
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_the_core_can_be_read_in_one_sitting() -> None:
    """Under 800 lines in all; no module of any room over 400."""
    lines = {path: len(path.read_text().splitlines()) for path in (REPOSITORY / "workers").rglob("*.py")}
    assert sum(count for path, count in lines.items() if path.parent.name == "core") < 800
    assert max(lines.values()) <= 400


def test_every_metric_is_measured_somewhere() -> None:
    """A metric that nobody sets would be a false nought."""
    code = "\n".join(path.read_text() for path in (REPOSITORY / "workers").rglob("*.py") if path.name != "metrics.py")
    names = [name for name in vars(metrics) if name.isupper() and not name.startswith("_") and name != "STAGE_SECONDS"]
    assert [name for name in names if not re.search(rf"\b{name}\b", code)] == []
    assert "stage(" in code


def test_what_an_erasure_leaves_to_time_is_listed_by_topic_with_its_retention() -> None:
    """Every topic that is not compacted; ``audit`` holds no personal data."""
    topics = load_topics(REPOSITORY / "schemas" / "topics.yaml")
    kept = {topic.name: topic.retention_days for topic in topics if not topic.compacted and topic.name != "audit"}
    assert kept_for_a_time() == kept


def test_the_policy_that_the_operations_show_is_one() -> None:
    """Whoever copies the brief can publish it; the categories that are named are those there are."""
    section = OPERATIONS.split("## Whom a brand may be shown")[1].split("\n## ")[0]
    brief = BrandBriefed.model_validate_json(section.split("```json\n")[1].split("```")[0])
    assert brief.safety_policy is not None
    assert len(brief.safety_policy.rules) == 2
    assert all(f"`{category}`" in section.split("```")[0] for category in SAFETY_CATEGORIES)
