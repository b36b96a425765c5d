"""The command line as a whole: what it costs before a command begins."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from workers.config import REPOSITORY
from workers.domain.model_card import CARD_FILE
from workers.domain.safety.calibration import CALIBRATION_FILE

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


def run_worker(worker: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A worker with this model repository, and servers that are not there."""
    nobody = {
        "KAFKA_BOOTSTRAP": "127.0.0.1:1",
        "WEAVIATE_URL": "http://127.0.0.1:1",
        "TRITON_URL": "http://127.0.0.1:1",
    }
    given = {**nobody, "MODEL_REPOSITORY": str(folder), "DATA_DIR": str(folder)}
    return subprocess.run(
        [sys.executable, "-m", "workers", "run", worker],
        env={**os.environ, **{f"STREAMSCOUT_{name}": value for name, value in given.items()}},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("worker", ["embedder", "creators", "indexer"])
def test_a_worker_without_a_model_card_says_which_setting_to_look_at(worker: str, tmp_path: Path) -> None:
    """One sentence and exit code 2, before any server is asked."""
    done = run_worker(worker, tmp_path)
    assert done.returncode == 2, done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"settings: STREAMSCOUT_MODEL_REPOSITORY: no model card at {tmp_path}")
    assert "Traceback" not in done.stderr


def test_an_embedder_whose_prompts_were_never_calibrated_says_file_and_command(tmp_path: Path) -> None:
    """Before any server is asked: scores of them would look like probabilities and be none."""
    bundled = REPOSITORY / "triton_models"
    shutil.copy(bundled / CARD_FILE, tmp_path)
    calibration = json.loads((bundled / CALIBRATION_FILE).read_text())
    (tmp_path / CALIBRATION_FILE).write_text(json.dumps({**calibration, "prompts_digest": "0" * 64}))
    done = run_worker("embedder", tmp_path)
    assert done.returncode == 2, done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"settings: {tmp_path / CALIBRATION_FILE}: it was made for revision 1 of the prompts")
    assert last.endswith("calibrate anew: streamscout safety calibrate LABELS.jsonl")
    assert "Traceback" not in done.stderr
