"""Which record of a union a value is, said to fastavro: by itself it validates the whole value to find out.

A creator's profile in an event took as long to be tried as all else took to be written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Named = Callable[[Any], Any]


def naming(schema: Any) -> Named:
    """What turns values of a parsed schema into those in which each record in a union is ``(its name, record)``.

    Of the unions that our schemas have: null and one other. Values are changed in place.
    """
    return _naming(schema, {}) or _as_it_is


def _as_it_is(value: Any) -> Any:
    return value


def _naming(schema: Any, records: dict[str, Named | None]) -> Named | None:
    """None where a value has no such union in it. ``records`` are those met so far, by name."""
    if isinstance(schema, str):
        return records.get(schema)
    if isinstance(schema, list):
        return _union(schema, records)
    kind = schema["type"]
    if kind == "record":
        parts = {each["name"]: _naming(each["type"], records) for each in schema["fields"]}
        found = {name: part for name, part in parts.items() if part is not None}
        records[schema["name"]] = _record(found) if found else None
        return records[schema["name"]]
    if kind == "array" and (items := _naming(schema["items"], records)) is not None:
        return lambda value: [items(each) for each in value]
    if kind == "map" and (values := _naming(schema["values"], records)) is not None:
        return lambda value: {name: values(each) for name, each in value.items()}
    return _naming(kind, records) if isinstance(kind, dict | list) else None


def _record(parts: Mapping[str, Named]) -> Named:
    def named(value: Any) -> Any:
        for name, part in parts.items():
            value[name] = part(value[name])
        return value

    return named


def _union(branches: list[Any], records: dict[str, Named | None]) -> Named | None:
    others = [branch for branch in branches if branch != "null"]
    if len(others) != 1 or len(branches) != 2:
        return None
    inner = _naming(others[0], records)
    if isinstance(others[0], dict) and others[0]["type"] == "record":
        name = others[0]["name"]
    elif isinstance(others[0], str) and others[0] in records:
        name = others[0]
    else:
        return None if inner is None else lambda value: None if value is None else inner(value)
    within = inner or _as_it_is
    return lambda value: None if value is None else (name, within(value))
