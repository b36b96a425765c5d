"""The server's replies read as they came over gRPC.

The client (4.23) makes lists of floats out of vectors and asks each value six times what it is: of a match, whose
facets are 550 objects, that took 20 of 31 ms of processor time. So its questions are used and its answers are not;
that it hands replies over so is held by the contract tests of the store and the index.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import numpy as np

from workers.domain.stored import PropertyValue, StoredObject
from workers.domain.vectors import Array

# By which of them a question's answer is read differs: near_vector's by the second.
_READINGS: Final = ("_result_to_query_return", "_result_to_generative_return")
_WIRE: Final = np.dtype("<f4")


def unread(collection: Any) -> Any:
    """The query room of a client's collection; what it is asked it answers with the server's reply itself."""
    query = collection.query
    for reading in _READINGS:
        setattr(query, reading, lambda reply, _: reply)
    return query


def objects_of(reply: Any) -> list[StoredObject]:
    """The objects of a reply, in its order: properties that were not written left out, times aware, exact vectors."""
    return [_object(result) for result in reply.results]


def distances_of(reply: Any) -> list[float]:
    """How far each of them is from what was asked."""
    return [float(result.metadata.distance) for result in reply.results]


def _object(result: Any) -> StoredObject:
    properties = {}
    for name, value in result.properties.non_ref_props.fields.items():
        kind = value.WhichOneof("kind")
        if kind != "null_value" and (read := _READ[kind](getattr(value, kind))) is not None:
            properties[name] = read
    # The number's bytes, without leading zeros: one id of 256 has fewer than sixteen.
    id_ = UUID(int=int.from_bytes(result.metadata.id_as_bytes, "big"))
    return StoredObject(id_, properties, _vectors(result.metadata))


def _vectors(metadata: Any) -> dict[str, Array]:
    return {
        each.name: np.array(np.frombuffer(each.vector_bytes, _WIRE), np.float32)
        for each in metadata.vectors
        if each.vector_bytes
    }


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _texts(value: Any) -> list[str] | None:
    """A list of texts; None where the server says nothing of what is in it. No property of ours is another list."""
    kind = value.WhichOneof("kind")
    if kind not in (None, "text_values"):
        raise TypeError(f"a property that is a list of {kind}")
    return list(value.text_values.values) if kind else None


_READ: Final[Mapping[str, Callable[[Any], PropertyValue | None]]] = {
    "text_value": str,
    "int_value": int,
    "number_value": float,
    "bool_value": bool,
    "date_value": _time,
    "list_value": _texts,
}
