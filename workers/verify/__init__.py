"""Verify: what is stored, written down and compared with what it must be.

Reads every topic and collection; ``state dump`` writes all of it as JSON lines that two runs can compare.
A layer above the workers' rooms: it asks their pure code what must be stored, and is asked by none of them.
"""
