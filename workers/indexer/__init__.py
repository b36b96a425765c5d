"""The indexer: ``creators`` in; ``Facet``, ``Bio`` and ``Creator`` objects in Weaviate out.

Reads: ``creators`` (CreatorUpdated of one model version; a tombstone where a creator is erased), ``indexer.rekeyed``.
Writes: the collections Facet, Bio and Creator of that model version; ``indexer.dead``.
Guarantees: a creator's objects are those of their newest revision read, whole; an older revision never overwrites a
newer one. At once: which facets there are, what filters, exemplars and bios exactly; vectors within a cosine distance,
shares and the scores that facets filter by within differences that are settings, their activity within a day. Exactly:
once the creator is quiet for the settling time, and before the event is committed. Creator is written after its facets,
so that a revision found there can be searched; facets that are gone, and a bio that is gone, are deleted; a tombstone
deletes everything. Writing again what is there heals.
"""
