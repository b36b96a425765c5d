"""``python -m tests.models``: each architecture built, served by Triton and held against open_clip; `make models`.

Weights are random: nothing is downloaded. One model at a time, and its files are removed before the next.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from tests.models.weights import write_hub_tokenizer, write_weights
from workers.config import REPOSITORY
from workers.stack import versions

REPORT = REPOSITORY / "reports" / "models.json"
MODELS = ("ViT-B-32", "ViT-L-14", "RN50", "convnext_base", "MobileCLIP-S1")
WITH_TOKENIZER = "ViT-B-16-SigLIP"
IN_TWO_FILES = "RN50"
LIMIT = 1800.0
UNREACHABLE = 3


@dataclass
class Checked:
    """What became of one model: what was built, the rows of `model check`, or what went wrong."""

    model: str
    card: dict[str, Any] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    build_seconds: float = 0.0
    failure: str = ""

    def holds(self) -> bool:
        """Every row, and there are some."""
        return not self.failure and bool(self.rows) and all(row["holds"] for row in self.rows)

    def value(self, name: str) -> str:
        """The value of a row, for the table."""
        return next((f"{row['value']:.5f}" for row in self.rows if row["name"] == name), "-")


def main() -> int:
    """0 where every model holds, 1 where one does not."""
    parser = argparse.ArgumentParser(prog="python -m tests.models", description=__doc__)
    parser.add_argument("models", nargs="*", default=[*MODELS, WITH_TOKENIZER], help="names that open_clip knows")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=None, help="where the large files go for a while")
    asked = parser.parse_args()
    console, results = Console(width=150), []
    told = download_is_told()
    for model in asked.models:
        with tempfile.TemporaryDirectory(prefix="streamscout-models-", dir=asked.folder) as folder:
            results.append(tried(model, Path(folder), asked.seed))
        write(results, told, asked.seed)
        console.print(table(results))
    console.print(
        "a download that fails is told" if told else "[bold red]a download that fails is not told as it should"
    )
    return 0 if told and all(one.holds() for one in results) else 1


def download_is_told() -> bool:
    """Where nothing can be reached: exit code 3, the reason in the last line, nothing written. The hub's client tries
    for a minute.
    """
    with tempfile.TemporaryDirectory(prefix="streamscout-models-") as folder:
        out = Path(folder) / "repository"
        arguments = ["model", "build", "--model", "RN50", "--pretrained", "openai", "--out", str(out)]
        command = [sys.executable, "-m", "tests.models.offline", *arguments]
        done = subprocess.run(command, capture_output=True, check=False, cwd=REPOSITORY, timeout=LIMIT, text=True)
        last = done.stderr.splitlines()[-1:]
        reason = "the weights openai of RN50 cannot be downloaded: "
        return done.returncode == UNREACHABLE and bool(last) and last[0].startswith(reason) and not out.exists()


def tried(model: str, folder: Path, seed: int) -> Checked:
    """Weights, repository, Triton and check of one model, each in a process of its own, which gives its memory back."""
    result = Checked(model)
    checkpoint, repository = folder / "weights.pt", folder / "repository"
    source = ["--model", model, "--checkpoint", str(checkpoint)]
    try:
        apart(write_weights, model, checkpoint, seed)
        if model == WITH_TOKENIZER:
            source += ["--tokenizer", str(write_hub_tokenizer(folder / "tokenizer"))]
        begun = time.monotonic()
        build = ["model", "build", *source, "--licence", "none: random weights", "--out", str(repository), "--json"]
        module = "tests.models.in_two_files" if model == IN_TWO_FILES else "tests.models.offline"
        built = streamscout(folder, build, module)
        result.build_seconds = time.monotonic() - begun
        (result.card,) = orjson.loads(said(built, (0,)))
        said(streamscout(folder, ["up", "--only", "triton"]), (0,))
        checked = streamscout(folder, ["model", "check", *source, "--images", str(photographs()), "--json"])
        result.rows = orjson.loads(said(checked, (0, 1)))["rows"]
    except (subprocess.SubprocessError, OSError, RuntimeError, ValueError) as error:
        result.failure = f"{type(error).__name__}: {error}"[:1000]
    finally:
        streamscout(folder, ["down", "--wipe", "--only", "triton"])
        shutil.rmtree(repository, ignore_errors=True)
    return result


def photographs() -> Path:
    """scikit-image's: other pictures than those that the build measures with."""
    package = find_spec("skimage")
    assert package is not None
    return Path(str(package.origin)).parent / "data"


def apart(work: Any, *arguments: Any) -> None:
    """In a process of its own. Raises RuntimeError where that fails."""
    process = multiprocessing.get_context("spawn").Process(target=work, args=arguments)
    process.start()
    process.join()
    if process.exitcode:
        raise RuntimeError(f"{work.__name__} ended with {process.exitcode}")


def streamscout(folder: Path, arguments: Sequence[str], module: str = "workers") -> subprocess.CompletedProcess[bytes]:
    """Our own command line, with a stack and a model repository in `folder`; its progress goes where ours does."""
    env = {
        **os.environ,
        "STREAMSCOUT_DATA_DIR": str(folder / "stack"),
        "STREAMSCOUT_MODEL_REPOSITORY": str(folder / "repository"),
    }
    env.pop("STREAMSCOUT_TRITON_URL", None)
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, env=env, stdout=subprocess.PIPE, check=False, cwd=REPOSITORY, timeout=LIMIT)


def said(done: subprocess.CompletedProcess[bytes], codes: tuple[int, ...]) -> bytes:
    """Its output. Raises RuntimeError where it ended otherwise than expected."""
    if done.returncode not in codes:
        raise RuntimeError(f"{' '.join(done.args[2:6])} … ended with {done.returncode}")
    return done.stdout


def write(results: Sequence[Checked], told: bool, seed: int) -> None:
    """``reports/models.json``, after each model, so that no end loses them."""
    packages = ("open_clip_torch", "torch", "onnx", "timm", "transformers", "tokenizers", "openvino")
    report = {
        "seed": seed,
        "machine": {"cpus": os.cpu_count(), "system": platform.platform(), "python": platform.python_version()},
        "versions": {"triton": versions.TRITON, **{name: version(name) for name in packages}},
        "rows": [
            {"name": "a download that fails is told", "value": int(told), "unit": "", "bar": 1, "holds": told},
        ] + [
            {**row, "name": f"{one.model}: {row['name']}", "unit": ""} for one in results for row in one.rows
        ],
        "models": [
            {"model": one.model, "build_s": round(one.build_seconds, 1), "failure": one.failure, **one.card}
            for one in results
        ],
    }  # fmt: skip
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2))


def table(results: Sequence[Checked]) -> Table:
    """One line a model: what was chosen when it was built, and what `model check` found."""
    found = Table("model", "precision", "texts", "mean off", "pictures", "mean off", "and decoded", "mean off", "holds")
    for one in results:
        names = ("texts: at the model", "pictures: at the model", "pictures: decoded and resized too")
        values = [one.value(f"{name}{part}") for name in names for part in ("", ", mean off")]
        end = "yes" if one.holds() else f"NO {one.failure[:60]}"
        found.add_row(one.model, str(one.card.get("precision", "-")).replace("weights: ", ""), *values, end)
    return found


if __name__ == "__main__":
    sys.exit(main())
