"""The command line as a whole: what it costs before a command begins."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ASKED = """
import sys
from pathlib import Path

import pytest
from workers.__main__ import build_app
build_app()
print(*sorted({"weaviate", "tritonclient", "faust", "fastapi", "confluent_kafka.schema_registry"} & set(sys.modules)))
"""


def test_no_client_library_is_loaded_before_a_command_asks_for_it() -> None:
    """Each of them takes longer than all else; every worker and every command starts by way of this."""
    done = subprocess.run([sys.executable, "-c", ASKED], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr


@pytest.mark.parametrize("worker", ["embedder", "creators", "indexer"])
def test_a_worker_without_a_model_card_says_which_setting_to_look_at(worker: str, tmp_path: Path) -> None:
    """One sentence and exit code 2, before any server is asked."""
    nobody = {
        "KAFKA_BOOTSTRAP": "127.0.0.1:1",
        "WEAVIATE_URL": "http://127.0.0.1:1",
        "TRITON_URL": "http://127.0.0.1:1",
    }
    given = {**nobody, "MODEL_REPOSITORY": str(tmp_path), "DATA_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "workers", "run", worker],
        env={**os.environ, **{f"STREAMSCOUT_{name}": value for name, value in given.items()}},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"settings: STREAMSCOUT_MODEL_REPOSITORY: no model card at {tmp_path}")
    assert "Traceback" not in done.stderr
