"""``streamscout search``, ``match``, ``similar``, ``creator``, ``explain``: functions that the command line mounts.

Exit codes: 0 done, 1 nothing of that name, 2 a wrong request or setting, 3 the API, or a server behind it, is gone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Annotated, Any

import typer
from rich.console import Console, RenderableType

from workers.config import load_settings
from workers.match.client import ApiClient, ApiRefusedError, find_api
from workers.match.tables import creator_table, hits_table, shortlist_table, similar_table

_FAILED, _USAGE = 1, 2
_NOT_FOUND = 404

Api = Annotated[str | None, typer.Option("--api", help="Address of the API; by default the one that runs here.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Limit = Annotated[int, typer.Option(help="How many at most.", min=1, max=100)]
FiltersJson = Annotated[str | None, typer.Option("--filters", help="More filters as JSON, as the API takes them.")]
WeightsGiven = Annotated[
    list[str] | None, typer.Option("--weight", help="How much a part counts, as bio=0.3; may be repeated.")
]
Listed = Annotated[list[str] | None, typer.Option(help="May be repeated.")]


def search(
    text: Annotated[str, typer.Argument(help="What to look for.")],
    limit: Limit = 10,
    blend: Annotated[float, typer.Option(help="0: pictures only, 1: captions only.", min=0, max=1)] = 0.5,
    platform: Listed = None,
    language: Listed = None,
    api: Api = None,
    as_json: AsJson = False,
) -> None:
    """Find posts by what is on their pictures and in their captions."""
    answer = _asked(
        api,
        lambda client: client.search(text, limit=limit, blend=blend, platform=platform, language=language),
    )
    _show(answer, as_json, hits_table)


def match(
    brief: Annotated[str | None, typer.Argument(help="What the brand wants, in words.")] = None,
    brand: Annotated[str | None, typer.Option(help="A brand, whose stored brief is taken.")] = None,
    image: Annotated[list[str] | None, typer.Option(help="Address of a reference picture; may be repeated.")] = None,
    aspect: Annotated[
        list[str] | None, typer.Option(help="A part of the brief and its weight, as coffee=0.7; may be repeated.")
    ] = None,
    limit: Limit = 10,
    platform: Listed = None,
    language: Listed = None,
    country: Listed = None,
    min_followers: Annotated[int | None, typer.Option(min=0)] = None,
    max_followers: Annotated[int | None, typer.Option(min=0)] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="A creator to leave out; may be repeated.")] = None,
    filters: FiltersJson = None,
    weight: WeightsGiven = None,
    stored_brief: Annotated[bool, typer.Option(help="The brand's stored brief too, after the one given.")] = False,
    explain: Annotated[bool, typer.Option(help="Say what the answer rests on.")] = False,
    why: Annotated[str | None, typer.Option(help="A creator: say why they are not in the list, or where.")] = None,
    api: Api = None,
    as_json: AsJson = False,
) -> None:
    """Find the creators who fit a brief."""
    if not (brief or brand or image or aspect):
        raise _fail("give a brief, --brand, --image or --aspect", _USAGE)
    hard = {
        "platform": platform,
        "language": language,
        "country": country,
        "followers": _given({"min": min_followers, "max": max_followers}),
        "exclude_creators": exclude,
    }
    body = {
        "brief": brief,
        "brand_id": brand,
        "images": image,
        "aspects": [{"text": text, "weight": weight} for text, weight in _numbered(aspect, "aspect", "coffee=0.7")],
        "limit": limit,
        "stored_brief": stored_brief,
        "explain": explain,
        "explain_creator_id": why,
        "weights": dict(_numbered(weight, "weight", "bio=0.3")),
        "filters": {**_given(hard), **_parsed(filters)},
    }
    answer = _asked(api, lambda client: client.match(_given(body)))
    _show(answer, as_json, shortlist_table)


def similar(
    creator_ids: Annotated[list[str], typer.Argument(help="Creators to be near: all of them.")],
    away: Annotated[list[str] | None, typer.Option(help="A creator to stay away from; may be repeated.")] = None,
    limit: Limit = 10,
    filters: FiltersJson = None,
    weight: WeightsGiven = None,
    api: Api = None,
    as_json: AsJson = False,
) -> None:
    """Find creators who are like others: near one, near several at once, away from some."""
    body = {
        "like": creator_ids,
        "unlike": away,
        "limit": limit,
        "filters": _parsed(filters),
        "weights": dict(_numbered(weight, "weight", "bio=0.3")),
    }
    answer = _asked(api, lambda client: client.similar(_given(body)))
    _show(answer, as_json, similar_table)


def creator(
    creator_id: Annotated[str, typer.Argument(help="The creator's id.")],
    vectors: Annotated[bool, typer.Option(help="Vectors too (with --json).")] = False,
    api: Api = None,
    as_json: AsJson = False,
) -> None:
    """Show a creator: facets, profile, what outcomes say."""
    answer = _asked(api, lambda client: client.creator(creator_id, vectors))
    _show(answer, as_json, creator_table)


def explain(
    post_id: Annotated[str, typer.Argument(help="The post's id.")], api: Api = None, as_json: AsJson = False
) -> None:
    """Say what became of a post: published, embedded, dead and why, or removed. Exit 1 if it is unknown."""
    answer = _asked(api, lambda client: client.post(post_id))
    if as_json:
        typer.echo(json.dumps(answer, indent=2, ensure_ascii=False))
    else:
        typer.echo("\n".join(_post_lines(answer)))


_STATES = {
    "embedded": "is embedded: search finds it",
    "published": "is published, and on its way to the index",
    "removed": "is removed: search does not find it",
    "dead": "is dead: it could not be used",
}


def _post_lines(post: dict[str, Any]) -> list[str]:
    """A post's state in words; what strangers wrote is kept from steering the terminal."""
    name = f"post {post['post_id']} of creator {post['creator_id']}, revision {post['revision']}"
    lines = [f"{name}, {_STATES.get(post['state'], post['state'])}"]
    dead = post["dead"]
    if dead is not None:
        first = f", first at {dead['first_seen']}" if dead["first_seen"] else ""
        again = f", replayed {dead['replays']} times" if dead["replays"] else ""
        lines += [
            f"  why: {dead['reason']}: {dead['meaning']}",
            *([f"  detail: {dead['detail']}"] if dead["detail"] else []),
            f"  to do: {dead['what_to_do']}",
            f"  dead letter {dead['dead_id']}, {dead['attempts']} attempts{again}, died at {dead['died_at']}{first}",
        ]
        if post["searchable_revision"] is not None:
            lines.append(f"  search finds revision {post['searchable_revision']} meanwhile")
    elif post["state"] == "embedded":
        lines.append(f"  {post['visuals']} pictures, model {post['model_version']}")
        lines += _duplicate_lines(post)
    return ["".join(c if c.isprintable() else "\ufffd" for c in line) for line in lines]


_MOST_DUPLICATES = 10


def _duplicate_lines(post: dict[str, Any]) -> list[str]:
    """Who shows the same pictures, earliest first."""
    others = post["duplicates"]
    if not others:
        return []
    lines = [
        f"  {len(others)} other posts show the same; " + ("it was the first" if post["first"] else "not the first")
    ]
    for each in others[:_MOST_DUPLICATES]:
        first = ", the first" if each["first"] else ""
        shown = f"{each['post_id']} of {each['creator_id']}, published {each['published_at']}"
        lines.append(f"    {shown}: {each['visuals']} of its pictures{first}")
    return lines + ([f"    and {len(others) - _MOST_DUPLICATES} more"] if len(others) > _MOST_DUPLICATES else [])


def _asked(api: str | None, call: Callable[[ApiClient], dict[str, Any]]) -> dict[str, Any]:
    """The answer; an API that is gone raises Unavailable, which the command line turns into its exit code."""
    settings = load_settings()
    key = settings.api_key.get_secret_value() if settings.api_key is not None else None
    with ApiClient(api or find_api(settings.data_dir), key) as client:
        try:
            return call(client)
        except ApiRefusedError as error:
            raise _fail(str(error), _FAILED if error.status == _NOT_FOUND else _USAGE) from error


def _fail(message: str, code: int) -> typer.Exit:
    typer.echo(f"error: {message}", err=True)
    return typer.Exit(code)


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, {}, [])}


def _parsed(filters: str | None) -> dict[str, Any]:
    try:
        parsed = json.loads(filters) if filters else {}
    except json.JSONDecodeError as error:
        raise _fail(f"--filters: {error}", _USAGE) from error
    if not isinstance(parsed, dict):
        raise _fail("--filters: a JSON object is wanted", _USAGE)
    return parsed


def _numbered(given: list[str] | None, option: str, example: str) -> list[tuple[str, float]]:
    """``name=number``, each."""
    named = []
    for each in given or []:
        name, _, number = each.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise _fail(f"--{option} {each}: a name and a number are wanted, as {example}", _USAGE)
        named.append((name, value))
    return named


def _show(answer: dict[str, Any], as_json: bool, table: Callable[[dict[str, Any]], RenderableType]) -> None:
    if as_json:
        typer.echo(json.dumps(answer, indent=2, ensure_ascii=False))
    else:
        Console().print(table(answer))
