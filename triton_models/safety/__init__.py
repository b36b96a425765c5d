"""Makes the labels that the bundled model's safety scores are calibrated on (``triton_models/safety.json``)."""
