"""Makes the bundled model: emoji artwork and word vectors in, the ONNX pair, its card and its figures out.

Needs the `[models]` extra (torch, open_clip, onnx, OpenVINO), `npm` and `node`. Nothing here runs in a worker.
"""
