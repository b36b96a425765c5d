"""Brand safety: what a visual or a caption shows or says that brands may not want to be seen beside. Pure.

``prompts`` reads ``schemas/safety.yaml``, ``calibration`` what a model was found to tell of it (``safety.json`` beside
the model), ``scoring`` makes probabilities of vectors and words. Nothing of it enters the semantic vectors.
"""
