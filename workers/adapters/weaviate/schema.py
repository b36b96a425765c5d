"""``schemas/collections.yaml`` read, as the definition Weaviate is given, and compared with what it has."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

COLLECTIONS_FILE = "collections.yaml"


class SchemaError(Exception):
    """The list of collections is wrong, or a collection on the server is not as it says."""


class _Spec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class VectorSpec(_Spec):
    """How every vector is indexed."""

    distance: Literal["cosine"]
    quantizer: Literal["none", "rq8"]
    filter_strategy: Literal["acorn", "sweeping"]
    ef: int = Field(ge=-1)
    flat_search_cutoff: int = Field(ge=0)


class PropertySpec(_Spec):
    """One property: its type and what it can be filtered by."""

    type: Literal["text", "text[]", "int", "number", "boolean", "date"]
    index: Literal["none", "equal", "range"]


class CollectionSpec(_Spec):
    """One collection and the name of its vector."""

    description: str
    writer: str
    vector: str
    properties: dict[str, PropertySpec]


class Collections(_Spec):
    """The whole list. ``filter_fields`` are part of the collections that name them."""

    vectors: VectorSpec
    filter_fields: dict[str, PropertySpec]
    collections: dict[str, CollectionSpec]


def load_collections(schemas_dir: Path) -> Collections:
    """The list in this folder. Raises SchemaError naming what is wrong in it."""
    path = schemas_dir / COLLECTIONS_FILE
    try:
        return Collections.model_validate(yaml.safe_load(path.read_text()))
    except (OSError, yaml.YAMLError) as error:
        raise SchemaError(f"{path}: {error}") from error
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise SchemaError(f"{path}: {wrong}") from error


def definition(
    name: str, spec: CollectionSpec, vectors: VectorSpec, model_version: str, dimensions: int
) -> dict[str, Any]:
    """The collection as Weaviate's REST API takes it."""
    return {
        "class": name,
        # Weaviate learns the width from the first vector; written here so that two widths under one version are seen.
        "description": f"{spec.description} ({_width(model_version, dimensions)})",
        "vectorConfig": {
            spec.vector: {
                "vectorizer": {"none": {}},
                "vectorIndexType": "hnsw",
                "vectorIndexConfig": {
                    "distance": vectors.distance,
                    "ef": vectors.ef,
                    "filterStrategy": vectors.filter_strategy,
                    "flatSearchCutoff": vectors.flat_search_cutoff,
                    **({"rq": {"enabled": True, "bits": 8}} if vectors.quantizer == "rq8" else {}),
                },
            }
        },
        "invertedIndexConfig": {"stopwords": {"preset": "none"}},
        "properties": [_property(property_name, each) for property_name, each in spec.properties.items()],
    }


RETIRED: Final = frozenset({"dead_reason"})
"""Properties that no release writes any more: a collection that has them is none the worse."""


def differences(wanted: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """Where a collection as the server describes it is not as wanted, one line each; what we never set may differ."""
    lines = []
    width, has_width = (str(each.get("description")).rpartition(" (")[2] for each in (wanted, found))
    if width != has_width:
        lines.append(f"vectors: ({has_width} instead of ({width}")
    for vector, config in wanted["vectorConfig"].items():
        has = found.get("vectorConfig", {}).get(vector)
        if has is None:
            lines.append(f"vector {vector}: missing")
            continue
        index = {**has["vectorIndexConfig"], "distance": has["vectorIndexConfig"].get("distanceMetric")}
        lines += _unlike(f"vector {vector}", config["vectorIndexConfig"], index)
    properties = {each["name"]: each for each in found.get("properties") or []}
    for each in wanted["properties"]:
        if each["name"] not in properties:
            lines.append(f"property {each['name']}: missing")
        else:
            lines += _unlike(f"property {each['name']}", each, properties[each["name"]])
    unknown = properties.keys() - {each["name"] for each in wanted["properties"]} - RETIRED
    return lines + [f"property {name}: not in {COLLECTIONS_FILE}" for name in sorted(unknown)]


def _width(model_version: str, dimensions: int) -> str:
    return f"{model_version}, {dimensions} dimensions"


def _property(name: str, spec: PropertySpec) -> dict[str, Any]:
    text = spec.type in {"text", "text[]"}
    return {
        "name": name,
        "dataType": [spec.type],
        "indexFilterable": spec.index == "equal",
        "indexSearchable": False,
        "indexRangeFilters": spec.index == "range",
        **({"tokenization": "field"} if text else {}),
    }


def _unlike(where: str, wanted: dict[str, Any], found: dict[str, Any]) -> list[str]:
    lines = []
    for name, value in wanted.items():
        has = found.get(name)
        if isinstance(value, dict):
            lines += _unlike(f"{where}.{name}", value, has if isinstance(has, dict) else {})
        elif has != value:
            lines.append(f"{where}.{name}: {has!r} instead of {value!r}")
    return lines
