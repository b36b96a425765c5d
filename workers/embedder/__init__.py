"""Posts and profiles in; one vector per picture and caption stored, one embeddings event out.

Reads ``posts``, ``posts.backfill``, ``profiles``. Writes ``Visual`` and ``Post`` to the store, ``embeddings``.
Guarantees: at least once; the same events, in any order and however often, leave the same objects; a post is embedded
whole or is a dead letter; content that is stored already is not embedded again.
"""
