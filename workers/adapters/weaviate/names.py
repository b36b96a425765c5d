"""How collections are called on the server."""

from __future__ import annotations


def collection_name(namespace: str, collection: str, model_version: str) -> str:
    """The collection of one model version: ``Facet_clip3``, in a namespace ``Acme_Facet_clip3``.

    Weaviate's names begin with a capital letter and hold letters, digits and underscores, 255 at most.
    """
    return f"{alias_name(namespace, collection)}_{model_version}"


def alias_name(namespace: str, collection: str) -> str:
    """The name by which readers know the collection of whichever model version serves: ``Facet``, ``Acme_Facet``."""
    return f"{namespace.capitalize()}_{collection}" if namespace else collection
