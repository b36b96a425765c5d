"""Avro schemas, made from the event types. ``python -m workers.domain.avro_schema`` writes ``schemas/*.avsc``.

An event's schema stands in ``<event_in_snake_case>.v<N>.avsc``; earlier versions stay, since records written with them
stay on Kafka. The command adds version N+1 when an event has changed; ``--amend`` overwrites version N, which is right
only while no release has written with it. The mapping is Avro 1.12's, with one choice of ours: a ``Literal`` is a
string, because an Avro enum that gains a symbol cannot be read by older readers, and pydantic checks the value anyway.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import AwareDatetime
from pydantic.fields import FieldInfo

from workers.domain.events import EVENT_TYPES, Event, Record
from workers.domain.events.envelope import NAMESPACE

Schema = dict[str, Any]
_SCALARS: Final[Mapping[object, str | Schema]] = {
    str: "string",
    bool: "boolean",
    int: "long",
    float: "double",
    bytes: "bytes",
    AwareDatetime: {"type": "long", "logicalType": "timestamp-millis"},
}


def avro_schema(event: type[Event]) -> Schema:
    """The Avro schema of an event. Raises TypeError for a field whose type or default has no mapping here."""
    schema = _record(event, set())
    assert isinstance(schema, dict)
    return schema


def _record(kind: type[Record], named: set[str]) -> Schema | str:
    full_name = f"{NAMESPACE}.{kind.__name__}"
    if full_name in named:
        return full_name
    named.add(full_name)
    return {
        "type": "record",
        "name": kind.__name__,
        "namespace": NAMESPACE,
        "doc": (inspect.getdoc(kind) or "").split("\n\n")[0].replace("\n", " "),
        "fields": [_field(kind, name, field, named) for name, field in kind.model_fields.items()],
    }


def _field(kind: type[Record], name: str, field: FieldInfo, named: set[str]) -> Schema:
    entry: Schema = {"name": name, "type": _type(field.annotation, named)}
    if field.is_required():
        return entry
    default = field.get_default(call_default_factory=True)
    if isinstance(default, tuple):
        default = list(default)
    nullable = isinstance(entry["type"], list)
    # Avro wants a union's default to be of its first branch, which is null here.
    if (default is None) != nullable or not isinstance(default, (str, bool, int, float, list, dict, type(None))):
        raise TypeError(f"{kind.__name__}.{name}: the default {default!r} has no Avro form here")
    entry["default"] = default
    return entry


def _type(annotation: Any, named: set[str]) -> Any:
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(arguments[0], named)
    if origin is Literal and all(isinstance(value, str) for value in arguments):
        return "string"
    if origin is tuple and len(arguments) == 2 and arguments[1] is ...:
        return {"type": "array", "items": _type(arguments[0], named)}
    if origin is dict and _type(arguments[0], named) == "string":
        return {"type": "map", "values": _type(arguments[1], named)}
    if origin in (Union, types.UnionType) and len(arguments) == 2 and arguments[1] is type(None):
        return ["null", _type(arguments[0], named)]
    if isinstance(annotation, type) and issubclass(annotation, Record):
        return _record(annotation, named)
    raise TypeError(f"{annotation!r} has no Avro form here")


def snake_name(event: type[Event]) -> str:
    """``PostPublished`` → ``post_published``: the name of its schema files and of its examples' folder."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", event.__name__).lower()


def schema_files(folder: Path, event: type[Event]) -> list[Path]:
    """The files of an event's schemas, oldest version first."""
    versions = {
        int(found[1]): path
        for path in folder.glob(f"{snake_name(event)}.v*.avsc")
        if (found := re.search(r"\.v(\d+)\.avsc$", path.name))
    }
    return [versions[version] for version in sorted(versions)]


def same_form(one: Any, other: Any) -> bool:
    """Whether two schemas differ in their documentation at most."""
    return bool(_without_docs(one) == _without_docs(other))


def _without_docs(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {name: _without_docs(value) for name, value in schema.items() if name != "doc"}
    return [_without_docs(item) for item in schema] if isinstance(schema, list) else schema


def write_schemas(folder: Path, amend: bool = False) -> list[Path]:
    """Bring ``folder`` up to date with the event types; the files written. ``amend``: the newest is no release yet."""
    written = []
    for event in EVENT_TYPES:
        schema, files = avro_schema(event), schema_files(folder, event)
        newest = json.loads(files[-1].read_text()) if files else None
        if newest == schema:
            continue
        replace = newest is not None and (amend or same_form(newest, schema))
        path = files[-1] if replace else folder / f"{snake_name(event)}.v{len(files) + 1}.avsc"
        path.write_text(json.dumps(schema, indent=2) + "\n")
        written.append(path)
    return written


def main(arguments: Sequence[str]) -> None:
    """Write ``schemas/*.avsc`` and name each file written."""
    for path in write_schemas(Path(__file__).resolve().parents[2] / "schemas", amend="--amend" in arguments):
        print(path)


if __name__ == "__main__":
    main(sys.argv[1:])
