"""The gpu target's files, held to Triton's own schema of configurations; none of it was run on a GPU."""

from __future__ import annotations

import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
import tritonclient
from google.protobuf import text_format

from tests.unit.model.test_layout import MEANS
from workers.domain.model_card import ImageInput, ModelCard, changed_files, load_model_card
from workers.domain.priority import Priority
from workers.model import gpu_layout, layout

CPU, TENSORRT, TORCH = layout.How(), layout.How("gpu", "tensorrt", "fp16"), layout.How("gpu", "torch", "fp16")
PROGRAMS = [str(Path(file).with_name("model.pt2")) for file in (layout.IMAGE_FILE, layout.TEXT_FILE)]


def make(root: Path, how: layout.How = TENSORRT) -> ModelCard:
    """A repository whose towers are a few bytes."""
    files = [layout.IMAGE_FILE, layout.TEXT_FILE, layout.TOKENIZER_FILE, f"{layout.TEXT_FILE}.data"]
    for file in files + (PROGRAMS if how.engine == "torch" else []):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_bytes(file.encode())
    return layout.finish_layout(
        root,
        name="ViT-B-32",
        dimensions=512,
        image=ImageInput(size=224, mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2)),
        context_length=77,
        logit_scale=9.0,
        means=MEANS.model_copy(update=dict.fromkeys(("visual", "caption", "query"), (0.0,) * 512)),
        licence="MIT",
        sources=("a test",),
        built_by="a test",
        how=how,
    )


@pytest.fixture(scope="module")
def schema() -> Any:
    """Triton's ModelConfig; its module alone, for the package around it wants another gRPC."""
    path = Path(tritonclient.__path__[0]) / "grpc" / "model_config_pb2.py"
    spec = spec_from_file_location("model_config_pb2", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read(schema: Any, root: Path) -> dict[str, Any]:
    """Every configuration by its model's name; raises where one is not of Triton's form."""
    found = {}
    for path in sorted(root.glob("*/config.pbtxt")):
        config = text_format.Parse(path.read_text(), schema.ModelConfig())
        assert config.name == path.parent.name
        found[config.name] = config
    return found


@pytest.mark.parametrize("how", [CPU, TENSORRT, TORCH], ids=lambda how: how.engine)
def test_every_configuration_is_of_tritons_form(schema: Any, tmp_path: Path, how: layout.How) -> None:
    """Of both targets: name, one version, the card's version for the workers to compare."""
    card = make(tmp_path, how)
    configs = read(schema, tmp_path)
    assert {layout.IMAGE, layout.TEXT} <= configs.keys()
    for config in configs.values():
        assert list(config.version_policy.specific.versions) == [1]
        assert config.parameters["model_version"].string_value == card.model_version
        assert (tmp_path / config.name / "1").is_dir()
        if not config.HasField("ensemble_scheduling"):
            policies = config.dynamic_batching.priority_queue_policy
            assert {p: policies[p].max_queue_size for p in Priority} == layout.WAITING
    assert changed_files(card, tmp_path) == []
    assert load_model_card(tmp_path) == card
    assert (tmp_path / card.text.tokenizer).is_file()


def test_every_target_is_the_same_model(tmp_path: Path) -> None:
    """Its vectors go to the same collections."""
    assert len({make(tmp_path / how.engine, how).model_version for how in (CPU, TENSORRT, TORCH)}) == 1


def test_no_folder_of_a_repository_is_empty(tmp_path: Path) -> None:
    """Git and object stores keep no empty one, and Triton refuses an ensemble without its version."""
    make(tmp_path)
    assert [path.name for path in (tmp_path / gpu_layout.TEXT / "1").iterdir()] == [layout.KEEP]
    assert all(any(path.iterdir()) for path in tmp_path.rglob("*") if path.is_dir())


def test_the_torch_fallback_is_both_towers_in_python_on_a_gpu_where_there_is_one(schema: Any, tmp_path: Path) -> None:
    """Texts are tokenised where they are embedded; the ONNX pair, which gave the version, is gone."""
    card = make(tmp_path, TORCH)
    configs = read(schema, tmp_path)
    assert configs.keys() == {layout.IMAGE, layout.TEXT}
    for config in configs.values():
        assert (config.backend, config.parameters["engine"].string_value) == ("python", "torch")
        assert config.parameters["precision"].string_value == "fp16"
        assert [group.kind for group in config.instance_group] == [schema.ModelInstanceGroup.KIND_AUTO]
        assert config.max_batch_size == gpu_layout.MAX_BATCH
    assert {path.name for path in (tmp_path / layout.TEXT / "1").iterdir()} == {
        "model.py",
        "model.pt2",
        "tokenizer.json",
    }
    assert {path.name for path in (tmp_path / layout.IMAGE / "1").iterdir()} == {"model.py", "model.pt2"}
    assert card.served_as is not None
    assert (card.served_as.target, card.served_as.engine) == ("gpu", "torch")


def test_texts_are_tokenised_inside_clip_text(schema: Any, tmp_path: Path) -> None:
    """An ensemble: what the first step gives is what the second takes, by type and by shape."""
    make(tmp_path)
    configs = read(schema, tmp_path)
    whole, first, second = (configs[name] for name in (gpu_layout.TEXT, gpu_layout.TOKENS, gpu_layout.TOWER))
    assert [step.model_name for step in whole.ensemble_scheduling.step] == [first.name, second.name]
    assert (whole.input[0].name, whole.input[0].data_type) == ("text", schema.TYPE_STRING)
    told, handed_on = first.output
    assert (told.name, handed_on.name) == ("tokens", "codes")
    assert (handed_on.data_type, list(handed_on.dims)) == (second.input[0].data_type, [77])
    assert whole.ensemble_scheduling.step[1].input_map["text"] == "codes"
    # Triton does not hand on a tensor that is an output of the whole and not asked for.
    assert "codes" not in {one.name for one in whole.output}
    assert list(second.input[0].dims) == [77]
    assert [(one.name, list(one.dims)) for one in whole.output] == [("embedding", [512]), ("tokens", [77])]
    assert {config.max_batch_size for config in (whole, first, second)} == {gpu_layout.MAX_BATCH}
    assert {path.name for path in (tmp_path / gpu_layout.TOWER / "1").iterdir()} == {"model.onnx", "model.onnx.data"}
    assert {path.name for path in (tmp_path / gpu_layout.TOKENS / "1").iterdir()} == {"model.py", "tokenizer.json"}


@pytest.mark.parametrize("name", [gpu_layout.IMAGE, gpu_layout.TOWER])
def test_a_tower_has_float16_profiles_instances_and_is_warmed(schema: Any, tmp_path: Path, name: str) -> None:
    """Every batch that Triton may hand over lies in the profile, and its ends and best are run before it is ready."""
    make(tmp_path)
    config = read(schema, tmp_path)[name]
    (engine,) = config.optimization.execution_accelerators.gpu_execution_accelerator
    said = engine.parameters
    assert (config.backend, engine.name, said["precision_mode"]) == ("onnxruntime", "tensorrt", "FP16")
    (input_,) = config.input
    batches = []
    for end in ("min", "opt", "max"):
        shape = re.fullmatch(rf"{input_.name}:(\d+)x([\dx]+)", said[f"trt_profile_{end}_shapes"])
        assert shape is not None
        assert [int(size) for size in shape[2].split("x")] == list(input_.dims)
        batches.append(int(shape[1]))
    assert batches == [1, gpu_layout.BEST_BATCH, config.max_batch_size]
    assert config.dynamic_batching.preferred_batch_size[-1] == config.max_batch_size
    assert [one.batch_size for one in config.model_warmup] == batches
    for warm in config.model_warmup:
        assert list(warm.inputs[input_.name].dims) == list(input_.dims)
        assert warm.inputs[input_.name].data_type == input_.data_type
    (group,) = config.instance_group
    assert (group.kind, group.count) == (schema.ModelInstanceGroup.KIND_GPU, gpu_layout.INSTANCES[name])
