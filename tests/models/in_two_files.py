"""``python -m tests.models.in_two_files ARGUMENTS``: as ``offline``, with towers laid out as one of over 2 GB is."""

from __future__ import annotations

import runpy

from workers.model import towers

if __name__ == "__main__":
    towers.ONE_FILE_BYTES = 1_000_000
    runpy.run_module("tests.models.offline", run_name="__main__")
