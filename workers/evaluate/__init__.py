"""Evaluate: how good answers are, against what people labelled; ``streamscout evaluate``.

Reads a file of labelled briefs and asks the running match API; writes nothing but its report. ``metrics`` is pure, and
``make evaluate`` judges with it too.
"""
