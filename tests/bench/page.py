"""The bench as one HTML file: its rows, and plots that show what was busy, and what waited for what."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from tests.reports.page import document, pairs, rows_table
from tests.reports.plots import bars, lines


def page_of(report: Mapping[str, Any]) -> str:
    """The page of a report, as ``reports/bench.json`` has it."""
    parts = ["<h1>Streamscout: make bench</h1>", rows_table(report["rows"])]
    for name, failure in report.get("failures", {}).items():
        parts.append(f'<p class="no">{escape(name)} could not be measured: {escape(failure)}</p>')
    for seen in report.get("seen", ()):
        parts += _seen(seen)
    profile = report.get("details", {}).get("profile_ms_per_post")
    if profile:
        parts.append("<h2>The embedder's processor time for a post, with an encoder that answers at once</h2>")
        whole = sum(profile.values()) or 1.0
        parts.append(bars(profile, "ms"))
        parts.append(
            pairs("Busy share of each", {name: f"{100 * spent / whole:.0f} %" for name, spent in profile.items()})
        )
    for name, fresh in report.get("details", {}).get("freshness", {}).items():
        parts.append(pairs(f"Event to searchable, {name.replace('_', ' ')}, s", fresh))
    memory = report.get("details", {}).get("endurance", {}).get("memory_mb")
    if memory:
        parts += ["<h2>Resident memory of the embedder, MB by thousands of posts</h2>"]
        parts.append(lines([x for x, _ in memory], {"MB": [y for _, y in memory]}))
    parts += [pairs("Machine", report["machine"]), pairs("Versions", report["versions"])]
    return document("make bench", parts)


def _seen(seen: Mapping[str, Any]) -> list[str]:
    """What was seen while something was measured."""
    stages = seen.get("stages", {})
    parts = [
        f"<h2>{escape(seen['name'])}: {seen['seconds']:.0f} s</h2>",
        "<p>Each process's share of one core:</p>",
        bars(seen["busy"], "cores"),
    ]
    if stages:
        parts.append("<p>Batches in each stage of the embedder at a time (handle holds fetch, encode, store):</p>")
        parts.append(bars({name: one["batches_at_a_time"] for name, one in stages.items()}, "batches"))
        parts.append(
            pairs("Mean time of a batch in each stage, s", {name: one["mean_s"] for name, one in stages.items()})
        )
    if seen.get("triton"):
        parts.append(
            pairs("Triton, picture tower (of each second: of requests waiting, and in the engine)", seen["triton"])
        )
    if len(seen["at"]) > 1:
        parts.append("<p>Cores that each process keeps busy, over the seconds:</p>")
        parts.append(lines(seen["at"], seen["cores"]))
        waiting = {"posts not yet settled": seen["lag"], "items in the embedder": seen["queue"]}
        parts.append("<p>What waits for the embedder, over the seconds:</p>")
        parts.append(lines(seen["at"], waiting))
        parts.append("<p>Requests that wait at Triton, over the seconds:</p>")
        parts.append(lines(seen["at"], {"requests": seen["pending"]}))
    return parts
