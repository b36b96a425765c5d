"""One client library per file; only a worker's ``main.py`` imports these."""
