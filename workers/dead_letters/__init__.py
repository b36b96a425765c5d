"""Reads every ``<worker>.dead`` and ``dead.resolutions``; writes ``dead.resolutions``, and copies to where events lay.

Guarantees: a replay is what the first writer said, byte for byte, under its own key; it says so in ``dead.resolutions``
only once the broker has it, so that a crash leaves a letter listed rather than lost. Nothing listed here is deleted.
"""
