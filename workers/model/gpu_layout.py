"""The gpu target's configurations: ONNX Runtime with TensorRT, in NVIDIA's own Triton container.

Texts are still tokenised inside Triton's ``clip_text``: an ensemble of the tokenizer, in Python, and the tower. Not run
on a GPU so far; the form of every file is tested.
"""

from __future__ import annotations

from workers.domain.model_card import CARD_FILE, ImageInput

IMAGE, TEXT, TOKENS, TOWER = "clip_image", "clip_text", "clip_text_tokens", "clip_text_tower"
MAX_BATCH, BEST_BATCH = 128, 64
INSTANCES = {IMAGE: 2, TOWER: 1}
WORKSPACE_BYTES = 4 * 2**30

_HEAD = """\
# Written by workers.model.gpu_layout; the card beside it is {card}.
name: "{name}"
max_batch_size: {max_batch}
input [ {{ name: "{input}", data_type: {type}, dims: [ {dims} ] }} ]
version_policy {{ specific {{ versions: [ 1 ] }} }}
{parameters}"""
_QUEUES = """\
dynamic_batching {{
  preferred_batch_size: [ {best}, {max_batch} ]
  max_queue_delay_microseconds: 2000
{queues}
}}
"""
_TOWER = """\
backend: "onnxruntime"
default_model_filename: "model.onnx"
output [ {{ name: "embedding", data_type: TYPE_FP32, dims: [ {dimensions} ] }} ]
instance_group [ {{ count: {count}, kind: KIND_GPU }} ]
optimization {{ execution_accelerators {{ gpu_execution_accelerator [ {{
  name: "tensorrt"
  parameters {{ key: "precision_mode" value: "FP16" }}
  parameters {{ key: "max_workspace_size_bytes" value: "{workspace}" }}
  parameters {{ key: "trt_engine_cache_enable" value: "1" }}
  parameters {{ key: "trt_engine_cache_path" value: "/tmp/streamscout-engines/{version}/{name}" }}
  parameters {{ key: "trt_profile_min_shapes" value: "{input}:1x{shape}" }}
  parameters {{ key: "trt_profile_opt_shapes" value: "{input}:{best}x{shape}" }}
  parameters {{ key: "trt_profile_max_shapes" value: "{input}:{max_batch}x{shape}" }}
}} ] }} }}
"""
_WARM_UP = """\
model_warmup {{
  name: "of {batch}", batch_size: {batch}
  inputs {{ key: "{input}", value: {{ data_type: {type}, dims: [ {dims} ], zero_data: true }} }}
}}
"""
_TOKENIZER = """\
backend: "python"
output [
  {{ name: "tokens", data_type: TYPE_INT64, dims: [ {context} ] }},
  {{ name: "codes", data_type: TYPE_INT64, dims: [ {context} ] }}
]
instance_group [ {{ count: 2, kind: KIND_CPU }} ]
"""
# Between the steps is a tensor of its own: an output of the whole that nobody asks for is not handed on by Triton.
_ENSEMBLE = """\
platform: "ensemble"
output [
  {{ name: "embedding", data_type: TYPE_FP32, dims: [ {dimensions} ] }},
  {{ name: "tokens", data_type: TYPE_INT64, dims: [ {context} ] }}
]
ensemble_scheduling {{
  step {{
    model_name: "{tokens}", model_version: 1
    input_map {{ key: "text", value: "text" }}
    output_map {{ key: "tokens", value: "tokens" }}
    output_map {{ key: "codes", value: "codes" }}
  }}
  step {{
    model_name: "{tower}", model_version: 1
    input_map {{ key: "text", value: "codes" }}
    output_map {{ key: "embedding", value: "embedding" }}
  }}
}}
"""


def configurations(
    version: str, dimensions: int, image: ImageInput, context_length: int, queues: str, parameters: str
) -> dict[str, str]:
    """config.pbtxt of each model.

    ``queues`` are the lines of priorities and limits of a dynamic batcher, ``parameters`` those that every model has.
    """
    inputs = {
        IMAGE: ("pixels", "TYPE_UINT8", (image.size, image.size, 3), _TOWER),
        TEXT: ("text", "TYPE_STRING", (1,), _ENSEMBLE),
        TOKENS: ("text", "TYPE_STRING", (1,), _TOKENIZER),
        TOWER: ("text", "TYPE_INT64", (context_length,), _TOWER),
    }
    written = {}
    for name, (input_name, data_type, shape, body) in inputs.items():
        said = {
            "card": CARD_FILE, "name": name, "version": version, "context": context_length, "dimensions": dimensions,
            "input": input_name, "type": data_type, "dims": ", ".join(map(str, shape)),
            "shape": "x".join(map(str, shape)), "count": INSTANCES.get(name, 1), "workspace": WORKSPACE_BYTES,
            "best": BEST_BATCH, "max_batch": MAX_BATCH, "queues": queues, "tokens": TOKENS, "tower": TOWER,
            "parameters": parameters,
        }  # fmt: skip
        parts = [_HEAD, body, *([] if name == TEXT else [_QUEUES])]
        text = "".join(part.format(**said) for part in parts)
        if body is _TOWER:
            text += "".join(_WARM_UP.format(**said, batch=batch) for batch in (1, BEST_BATCH, MAX_BATCH))
        written[name] = text
    return written
