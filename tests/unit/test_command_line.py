"""The command line as a whole: what it costs before a command begins."""

from __future__ import annotations

import subprocess
import sys

ASKED = """
import sys
from workers.__main__ import build_app
build_app()
print(*sorted({"weaviate", "tritonclient", "faust", "fastapi", "confluent_kafka.schema_registry"} & set(sys.modules)))
"""


def test_no_client_library_is_loaded_before_a_command_asks_for_it() -> None:
    """Each of them takes longer than all else; every worker and every command starts by way of this."""
    done = subprocess.run([sys.executable, "-c", ASKED], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
