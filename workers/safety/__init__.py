"""``streamscout safety calibrate | check | rescore``: what a model can tell of the categories, and every post by it.

Reads labelled pictures and texts, ``schemas/safety.yaml`` and ``Post``. Writes ``safety.json`` beside the model, and
``SafetyRevised`` on ``posts.backfill``: the embedder, which alone writes posts, scores them.
"""
