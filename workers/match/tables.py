"""What the command line prints of an answer. What strangers wrote is no markup, and steers no terminal."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from rich.console import Group
from rich.markup import escape
from rich.table import Column, Table


def shown(text: str) -> str:
    """A text as it is printed: captions and names may hold what rich, or a terminal, would take for an instruction."""
    return escape("".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text))


def cell(value: object) -> str:
    """A value as a table shows it."""
    return "" if value is None else f"{value:.3f}" if isinstance(value, float) else shown(str(value))


def _second(visual: dict[str, Any] | None) -> str:
    return f" at {visual['timestamp'] / 1000:.1f} s" if visual and visual["timestamp"] else ""


def hits_table(answer: dict[str, Any]) -> Table:
    """Posts that were found."""
    ids = (Column(name, overflow="fold") for name in ("post", "creator"))
    table = Table(*ids, "score", "picture", "caption", "text", title=f"{len(answer['hits'])} posts", box=None)
    for hit in answer["hits"]:
        table.add_row(
            *map(cell, (hit["post_id"], hit["creator_id"], hit["score"])),
            cell(hit["visual_score"]) + _second(hit["visual"]),
            cell(hit["caption_score"]),
            cell(hit["caption"][:80]),
        )
    return table


def shortlist_table(answer: dict[str, Any]) -> Group:
    """A match: places with their parts, evidence, what was filtered out, and what was explained."""
    refused = ", ".join(f"{reason} {count}" for reason, count in answer["filtered_out"].items()) or "nobody"
    below = [*_evidence(answer["hits"]), f"filtered out: {refused}", *_explained(answer), *why_lines(answer["why"])]
    return Group(f"match {answer['match_id']}", _places(answer["hits"], answer["weights"]), shown("\n".join(below)))


def similar_table(answer: dict[str, Any]) -> Group:
    """Look-alikes: places with their parts, and evidence."""
    away = f", away from {', '.join(answer['unlike'])}" if answer["unlike"] else ""
    weighty = {name for name, weight in answer["weights"].items() if weight}
    places = _places(answer["hits"], answer["weights"], weighty)
    heading = shown(f"near {', '.join(answer['like'])}{away}")
    return Group(heading, places, shown("\n".join(_evidence(answer["hits"]))))


def _places(hits: list[dict[str, Any]], weights: dict[str, float], named: Collection[str] | None = None) -> Table:
    """Without a frame and with the evidence below, whole ids fit eighty columns: ids are there to be copied."""
    names = [name for name in (hits[0]["parts"] if hits else {}) if named is None or name in named]
    table = Table(
        "#", "creator", "score", *(f"{name}\n× {weights[name]:g}" for name in names), box=None, pad_edge=False
    )
    for hit in hits:
        cells = map(cell, (hit["rank"], hit["creator_id"], hit["score"], *(hit["parts"][name] for name in names)))
        table.add_row(*cells)
    return table


def _evidence(hits: list[dict[str, Any]]) -> list[str]:
    return ["evidence", *(f"  {hit['rank']}: {', '.join(hit['evidence'])}" for hit in hits)] if hits else []


_METHODS = {
    "exact": "each of them compared",
    "acorn": "by the graph of those allowed (ACORN), approximate",
    "graph": "by the whole graph, approximate",
}


def _explained(answer: dict[str, Any]) -> list[str]:
    told = answer["explanation"]
    if told is None:
        return []
    aspects = [f"  {each['weight']:.2f} {each['text']}" for each in told["aspects"]]
    found = told["search"]
    allowed = f"{told['allowed']} of {told['creators']} creators, {found['allowed']} of {found['facets']} facets"
    how = f"{_METHODS[found['method']]}; {told['candidates']} candidates"
    return ["aspects", *aspects, f"allowed: {allowed}: {how}"]


def why_lines(why: dict[str, Any] | None) -> list[str]:
    """Why a creator is not in the list, with the values that make it so."""
    if why is None:
        return []
    lines = [f"why: {why['text']}"]
    for each in why["refused"]:
        known = ", ".join(
            f"{name} is {'not known' if value is None else value}" for name, value in each["found"].items()
        )
        lines.append(f"  {each['reason']}: wanted {' and '.join(each['wanted'])}; {known}")
    for each in why["nearest"]:
        cut = "" if each["cut"] is None else f", the last one found {each['cut']:.3f}"
        lines.append(f"  {each['aspect']}: {each['exemplar_post_id']} at {each['cosine']:.3f}{cut}")
    if why["own"] is not None:
        would = "" if why["verdict"] in ("ranked", "shortlisted") else "would have had "
        lines += [f"  {would}{_told_place(why['own'])}"]
    return lines + ([f"  last of the list: {_told_place(why['last'])}"] if why["last"] else [])


def _told_place(place: dict[str, Any]) -> str:
    parts = ", ".join(f"{name} {value:.3f}" for name, value in place["parts"].items())
    return f"{place['creator_id']} at {place['rank']}, score {place['score']:.3f}: {parts}"


def creator_table(answer: dict[str, Any]) -> Table:
    """A creator's facets, and what outcomes say."""
    profile = answer["profile"] or {}
    title = f"{answer['creator_id']} ({profile.get('name', 'no profile')}): {answer['posts']} posts"
    table = Table("facet", "share", "posts", "exemplar", title=shown(title))
    for facet in answer["facets"]:
        table.add_row(*map(cell, (facet["facet_id"], facet["share"], facet["posts"], facet["exemplar_post_id"])))
    told = [f"{one['brand_id']}: lift {one['posterior']['lift']:+.3f}" for one in answer["outcomes"]]
    table.caption = shown("outcomes: " + (", ".join(told) or "none"))
    return table
