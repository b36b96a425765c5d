"""The bundled model's evaluation set, written before any work on its second version, and the command that applies it.

`briefs.json`: 50 briefs of eleven themes with the emoji that answer each, chosen by their meaning and not by keywords.
`held_out_words.json`: the 150 keywords that no anchor and no caption may hold. Artwork held out: see `artwork.py`.
"""
