"""The servers of `streamscout up` when it is called from a shell that is set up for other work."""

from __future__ import annotations

import os
import venv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from tests.integration.test_golden_vectors import GOLDEN, assert_close, golden_vectors, served
from workers.config import Settings, load_settings
from workers.domain.model_card import load_model_card
from workers.stack.servers import start_stack, stop_stack

POISON = "raise ImportError('the numpy of an activated environment')\n"
SHELL = {
    "JAVA_TOOL_OPTIONS": "-Xmx1m",
    "CLASSPATH": "/nowhere",
    "GOMEMLIMIT": "1MiB",
    "AUTHENTICATION_APIKEY_ENABLED": "true",
    "ENABLE_MODULES": "no-such-module",
    "CLUSTER_JOIN": "10.255.255.1:7946",
    "PYTHONHOME": "/nowhere",
}


@pytest.fixture
def servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Started with an activated environment first on PATH whose numpy cannot be had, and what else a shell may say."""
    other = tmp_path / "activated"
    venv.create(other, symlinks=True)
    (packages,) = other.glob("lib/python3*/site-packages")
    (packages / "numpy").mkdir()
    (packages / "numpy" / "__init__.py").write_text(POISON)
    settings = load_settings(data_dir=tmp_path / "stack")
    with monkeypatch.context() as shell:
        shell.setenv("PATH", f"{other / 'bin'}{os.pathsep}{os.environ['PATH']}")
        shell.setenv("VIRTUAL_ENV", str(other))
        shell.setenv("PYTHONPATH", str(packages))
        for name, value in SHELL.items():
            shell.setenv(name, value)
        try:
            running = start_stack(settings, Console(quiet=True))
        except BaseException:
            stop_stack(settings, Console(quiet=True))
            raise
    yield running
    stop_stack(settings, Console(quiet=True))


@pytest.mark.timeout(300)
def test_nothing_of_a_persons_shell_reaches_the_servers(servers: Settings) -> None:
    """All four become ready, and Triton takes the packages of its own environment: its vectors are the model's."""
    texts = [entry["text"] for entry in GOLDEN["texts"]]
    column = np.array([text.encode() for text in texts], dtype=np.object_).reshape(-1, 1)
    assert_close(served(servers, "clip_text", "text", "BYTES", column), golden_vectors("texts"), texts)
    size = load_model_card(servers.model_repository).image.size
    pixels = np.asarray(Image.effect_noise((size, size), 64).convert("RGB"))[None]
    assert np.linalg.norm(served(servers, "clip_image", "pixels", "UINT8", pixels)) == pytest.approx(1, abs=1e-3)
