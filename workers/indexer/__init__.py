"""The indexer: ``creators`` in; ``Facet``, ``Bio`` and ``Creator`` objects in Weaviate out.

Reads: ``creators`` (CreatorUpdated of one model version; a tombstone where a creator is erased), ``indexer.rekeyed``.
Writes: the collections Facet, Bio and Creator of that model version; ``indexer.dead``.
Guarantees: a creator's objects are those of their newest revision read, whole and exact; an older revision never
overwrites a newer one; Creator is written last, so that a revision found there is complete; facets that are gone, and a
bio that is gone, are deleted; a tombstone deletes everything. Writing again what is there heals and changes nothing.
"""
