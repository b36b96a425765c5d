"""Collections and aliases, made on the server as ``schemas/collections.yaml`` lists them."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from weaviate import WeaviateAsyncClient
from weaviate.classes.config import DataType, Property, Reconfigure, Tokenization
from weaviate.exceptions import UnexpectedStatusCodeError, WeaviateInvalidInputError

from workers.adapters.weaviate.errors import asked
from workers.adapters.weaviate.names import alias_name, collection_name
from workers.adapters.weaviate.schema import Collections, SchemaError, definition, differences

_CREATION_SECONDS = 60.0
_SEARCHED_BY = ("ef", "flatSearchCutoff")
_TAKEN = (409, 422)
"""What Weaviate answers where the name exists: another process was faster."""


async def ensure_collections(
    client: WeaviateAsyncClient, listed: Collections, namespace: str, model_version: str, dimensions: int
) -> list[str]:
    """Create the collections and aliases that are missing; the names of those created.

    A property that is missing in a collection is added where nothing is filtered by it; how a collection is searched,
    which takes nothing to change, becomes as listed. An alias that points at another
    version stays: moving it is a cutover. Raises SchemaError naming each other difference of a collection that is there
    already, StoreUnavailable.
    """
    names = [collection_name(namespace, collection, model_version) for collection in listed.collections]
    wanted = [
        definition(name, spec, listed.vectors, model_version, dimensions)
        for name, spec in zip(names, listed.collections.values(), strict=True)
    ]
    made = await asyncio.gather(*(_create_collection(client, each) for each in wanted))
    old = [each for each, is_new in zip(wanted, made, strict=True) if not is_new]
    await asyncio.gather(*(_add_kept_properties(client, each) for each in old))
    await asyncio.gather(*(_search_as_listed(client, each) for each in old))
    wrong = [
        f"{name}: {line}"
        for name, each, is_new in zip(names, wanted, made, strict=True)
        if not is_new
        for line in differences(each, await _described(client, name))
    ]
    if wrong:
        raise SchemaError("; ".join(wrong))
    aliases = [alias_name(namespace, collection) for collection in listed.collections]
    pointed = await asyncio.gather(*map(partial(_create_alias, client), aliases, names))
    return [name for name, is_new in zip([*names, *aliases], [*made, *pointed], strict=True) if is_new]


async def _described(client: WeaviateAsyncClient, name: str) -> dict[str, Any]:
    found = await asked(client.collections.use(name).config.get(), f"the definition of {name}")
    return found.to_dict()


async def _create_collection(client: WeaviateAsyncClient, wanted: dict[str, Any]) -> bool:
    name = wanted["class"]
    if await asked(client.collections.exists(name), f"whether {name} exists"):
        return False
    try:
        await asked(client.collections.create_from_dict(wanted), f"the creation of {name}", _CREATION_SECONDS)
    except UnexpectedStatusCodeError as error:
        if error.status_code in _TAKEN and await asked(client.collections.exists(name), f"whether {name} exists"):
            return False
        raise
    return True


async def _add_kept_properties(client: WeaviateAsyncClient, wanted: dict[str, Any]) -> None:
    """Of an older release. What is filtered by would not be found in the objects that are there already."""
    name = wanted["class"]
    there = {each["name"] for each in (await _described(client, name)).get("properties") or []}
    for each in wanted["properties"]:
        if each["name"] in there or each["indexFilterable"] or each["indexRangeFilters"]:
            continue
        kept = Property(
            name=each["name"],
            data_type=DataType(each["dataType"][0]),
            index_filterable=False,
            index_searchable=False,
            index_range_filters=False,
            tokenization=Tokenization(each["tokenization"]) if "tokenization" in each else None,
        )
        try:
            call = client.collections.use(name).config.add_property(kept)
            await asked(call, f"the property {each['name']} of {name}", _CREATION_SECONDS)
        except (UnexpectedStatusCodeError, WeaviateInvalidInputError):
            # Another process was faster, or what is wrong with it is told as a difference.
            continue


async def _search_as_listed(client: WeaviateAsyncClient, wanted: dict[str, Any]) -> None:
    name = wanted["class"]
    there = (await _described(client, name)).get("vectorConfig", {})
    for vector, config in wanted["vectorConfig"].items():
        own = {key: config["vectorIndexConfig"][key] for key in _SEARCHED_BY}
        has = there.get(vector, {}).get("vectorIndexConfig")
        if has is None or all(has.get(key) == value for key, value in own.items()):
            continue
        index = Reconfigure.VectorIndex.hnsw(ef=own["ef"], flat_search_cutoff=own["flatSearchCutoff"])
        update = Reconfigure.Vectors.update(name=vector, vector_index_config=index)
        call = client.collections.use(name).config.update(vector_config=update)
        await asked(call, f"how {name} is searched", _CREATION_SECONDS)


async def _create_alias(client: WeaviateAsyncClient, alias: str, collection: str) -> bool:
    if await asked(client.alias.exists(alias_name=alias), f"whether alias {alias} exists"):
        return False
    try:
        call = client.alias.create(alias_name=alias, target_collection=collection)
        await asked(call, f"the creation of alias {alias}", _CREATION_SECONDS)
    except UnexpectedStatusCodeError as error:
        if error.status_code in _TAKEN and await asked(
            client.alias.exists(alias_name=alias), f"whether alias {alias} exists"
        ):
            return False
        raise
    return True
