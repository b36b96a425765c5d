"""The list of collections, and what differs from it."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import pytest

from workers.adapters.weaviate.names import alias_name, collection_name
from workers.adapters.weaviate.schema import Collections, SchemaError, definition, differences, load_collections
from workers.config import REPOSITORY


@pytest.fixture
def listed() -> Collections:
    """The repository's own list."""
    return load_collections(REPOSITORY / "schemas")


def test_names_carry_the_namespace_and_the_model_version() -> None:
    """Readers know the alias, which has no version; a namespace keeps environments apart."""
    assert collection_name("", "Facet", "clip_3") == "Facet_clip_3"
    assert collection_name("acme", "Facet", "clip_3") == "Acme_Facet_clip_3"
    assert (alias_name("", "Facet"), alias_name("acme", "Facet")) == ("Facet", "Acme_Facet")


def test_the_collections_of_the_design_and_the_standings_are_listed(listed: Collections) -> None:
    """One writer each, and the vector's name."""
    assert {name: (each.writer, each.vector) for name, each in listed.collections.items()} == {
        "Visual": ("embedder", "visual"),
        "Post": ("embedder", "caption"),
        "Standing": ("embedder", "standing"),
        "Facet": ("indexer", "facet"),
        "Creator": ("indexer", "creator"),
        "Bio": ("indexer", "bio"),
    }


def test_the_index_is_said_explicitly(listed: Collections) -> None:
    """Cosine, 8-bit rotational quantisation, ACORN; text whole and with its case; numbers by range."""
    made = definition("Facet_v", listed.collections["Facet"], listed.vectors, "v", 512)
    index = made["vectorConfig"]["facet"]["vectorIndexConfig"]
    assert (index["distance"], index["rq"], index["filterStrategy"]) == (
        "cosine",
        {"enabled": True, "bits": 8},
        "acorn",
    )
    properties = {each["name"]: each for each in made["properties"]}
    assert properties["creator_id"] == {
        "name": "creator_id",
        "dataType": ["text"],
        "indexFilterable": True,
        "indexSearchable": False,
        "indexRangeFilters": False,
        "tokenization": "field",
    }
    assert properties["followers"]["indexRangeFilters"]
    assert "512 dimensions" in made["description"]


def test_what_differs_is_named(listed: Collections) -> None:
    """A missing property, another type, an index that is off, a property nobody listed, another quantiser."""
    wanted = definition("Bio_v", listed.collections["Bio"], listed.vectors, "v", 8)
    found = deepcopy(wanted)
    index = found["vectorConfig"]["bio"]["vectorIndexConfig"]
    index["distanceMetric"] = index.pop("distance")
    assert differences(wanted, found) == []
    index["rq"] = None
    found["properties"] = [each for each in found["properties"] if each["name"] != "revision"]
    found["properties"][0] |= {"dataType": ["int"], "indexFilterable": False}
    found["properties"] += [{"name": "extra"}, {"name": "dead_reason"}]  # the second is of an earlier release
    lines = differences(wanted, found)
    assert [line.split(":")[0] for line in lines] == [
        "vector bio.rq.enabled",
        "vector bio.rq.bits",
        "property platforms.dataType",
        "property platforms.indexFilterable",
        "property revision",
        "property extra",
    ]


def test_a_list_that_is_wrong_is_refused_by_field(tmp_path: Path) -> None:
    """A misspelt index would silently leave a property without one."""
    text = (REPOSITORY / "schemas" / "collections.yaml").read_text()
    (tmp_path / "collections.yaml").write_text(text.replace("{type: int, index: range}", "{type: int, index: rang}"))
    with pytest.raises(SchemaError, match=r"filter_fields\.followers\.index"):
        load_collections(tmp_path)
    with pytest.raises(SchemaError, match=r"collections\.yaml"):
        load_collections(tmp_path / "nowhere")
