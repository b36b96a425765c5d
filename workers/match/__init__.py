"""Search and match over HTTP, and the page.

Reads the index (``Visual``, ``Post``, ``Facet``, ``Creator``), and whole into memory the compacted topics ``brands``
and ``signals``. Writes ``matches``, and for those who ingest over HTTP ``posts``, ``profiles``, ``brands``,
``decisions`` and ``outcomes``. Guarantees: a match is answered after its ``MatchServed`` is acknowledged, so that a
booking can join it; a signal moves the next match; a query is refused where index and encoder serve different model
versions; what is removed is never shown.
"""
