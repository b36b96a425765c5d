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
    below = [*_evidence(answer["hits"]), *_to_review(answer["hits"]), f"filtered out: {refused}"]
    below += [*_explained(answer), *_policy(answer), *why_lines(answer["why"])]
    return Group(f"match {answer['match_id']}", _places(answer["hits"], answer["weights"]), shown("\n".join(below)))


def similar_table(answer: dict[str, Any]) -> Group:
    """Look-alikes: places with their parts, and evidence."""
    away = f", away from {', '.join(answer['unlike'])}" if answer["unlike"] else ""
    weighty = {name for name, weight in answer["weights"].items() if weight}
    places = _places(answer["hits"], answer["weights"], weighty)
    heading = shown(f"near {', '.join(answer['like'])}{away}")
    return Group(heading, places, shown("\n".join(_evidence(answer["hits"]))))


HEADINGS = {
    "semantic": "semant.",
    "feedback": "feedb.",
    "affinity": "affin.",
    "audience": "audien.",
    "engagement": "engag.",
    "freshness": "fresh.",
}
"""Parts as a table of eighty columns heads them."""


def _places(hits: list[dict[str, Any]], weights: dict[str, float], named: Collection[str] | None = None) -> Table:
    """Without a frame and with the evidence below, whole ids fit eighty columns: ids are there to be copied."""
    names = [name for name in (hits[0]["parts"] if hits else {}) if named is None or name in named]
    headings = (f"{HEADINGS.get(name, name)}\n× {weights[name]:g}" for name in names)
    table = Table("#", "creator", "score", *headings, box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for hit in hits:
        cells = map(cell, (hit["rank"], hit["creator_id"], hit["score"], *(hit["parts"][name] for name in names)))
        table.add_row(*cells)
    return table


def _evidence(hits: list[dict[str, Any]]) -> list[str]:
    return ["evidence", *(f"  {hit['rank']}: {', '.join(hit['evidence'])}" for hit in hits)] if hits else []


def _to_review(hits: list[dict[str, Any]]) -> list[str]:
    lines = [
        f"  {hit['rank']}: {each['category']} {_score(each)}, by {', '.join(each['posts']) or 'no single post'}"
        for hit in hits
        for each in hit["review"]
    ]
    return ["to be looked at", *lines] if lines else []


def _score(review: dict[str, Any]) -> str:
    return "not known" if review["score"] is None else f"{review['score']:.3f}"


def _policy(answer: dict[str, Any]) -> list[str]:
    """The safety policy, with what each rule removed where that is explained."""
    if answer["safety_policy_version"] is None:
        return []
    lines = [f"safety policy: version {answer['safety_policy_version']}"]
    for rule in ((answer["explanation"] or {}).get("safety") or {}).get("rules", ()):
        said = f"  {rule['category']} below {rule['threshold']:g}"
        said += f", looked at from {rule['review_from']:g}" if "review_from" in rule else ""
        said += f", in the last {rule['look_back_days']} days" if "look_back_days" in rule else ""
        lines.append(f"{said}: removed {rule['removed']} {rule['counted'].replace('_', ' ')}")
    return lines


_MOST_CAUSES = 10
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
            f"{name} is {'not known' if value is None else _joined(value)}" for name, value in each["found"].items()
        )
        lines.append(f"  {each['reason']}: wanted {' and '.join(each['wanted'])}; {known}")
    for each in why["nearest"]:
        cut = "" if each["cut"] is None else f", the last one found {each['cut']:.3f}"
        lines.append(f"  {each['aspect']}: {each['exemplar_post_id']} at {each['cosine']:.3f}{cut}")
    if why["own"] is not None:
        would = "" if why["verdict"] in ("ranked", "shortlisted") else "would have had "
        lines += [f"  {would}{_told_place(why['own'])}"]
    return lines + ([f"  last of the list: {_told_place(why['last'])}"] if why["last"] else [])


def _joined(value: object) -> object:
    return ", ".join(map(str, value)) if isinstance(value, list) else value


def _told_place(place: dict[str, Any]) -> str:
    parts = ", ".join(f"{name} {value:.3f}" for name, value in place["parts"].items())
    return f"{place['creator_id']} at {place['rank']}, score {place['score']:.3f}: {parts}"


def creator_table(answer: dict[str, Any]) -> Group:
    """A creator's facets, what outcomes say, and how safe they are, by which posts."""
    profile = answer["profile"] or {}
    title = f"{answer['creator_id']} ({profile.get('name', 'no profile')}): {answer['posts']} posts"
    table = Table("facet", "share", "posts", "exemplar", title=shown(title))
    for facet in answer["facets"]:
        table.add_row(*map(cell, (facet["facet_id"], facet["share"], facet["posts"], facet["exemplar_post_id"])))
    told = [f"{one['brand_id']}: lift {one['posterior']['lift']:+.3f}" for one in answer["outcomes"]]
    return Group(table, shown("\n".join(["outcomes: " + (", ".join(told) or "none"), *_safety(answer)])))


def _safety(answer: dict[str, Any]) -> list[str]:
    scores = sorted(answer["safety"].items(), key=lambda row: -row[1])
    worst = f"the worst {answer['safety_tail']:.0%} of the output"
    lines = [f"safety, by {worst}: " + ", ".join(f"{name} {score:.3f}" for name, score in scores)] if scores else []
    lines += [f"not known, so not safe: {', '.join(answer['safety_unknown'])}"] if answer["safety_unknown"] else []
    for post in answer["safety_posts"][:_MOST_CAUSES]:
        caused = ", ".join(f"{name} {score:.3f}" for name, score in post["scores"].items())
        lines.append(f"  {post['post_id']}, {post['share']:.1%} of the output: {caused}")
    more = len(answer["safety_posts"]) - _MOST_CAUSES
    return lines + ([f"  and {more} posts more"] if more > 0 else [])
