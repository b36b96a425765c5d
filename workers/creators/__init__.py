"""Creators: what a creator posts about, kept as facets.

Reads ``embeddings`` (PostEmbedded, PostRetracted, ProfileEmbedded, CreatorErased, CreatorReinstated) and writes
``creators`` (CreatorUpdated, one for every event it reads; a tombstone for an erased creator). Touches Kafka only.

Guarantees: a creator is a function of the set of its events, to the last bit, whatever their order and however often
they come; every change is published exactly; an event that cannot be used is in ``creators.dead`` with its reason.
The state is rows of facts (``rows``), kept in the changelog ``creators.changelog``; folds (``fold``, ``facets``) are
computed from them. One process handles one model version.
"""
