"""The model room: turns an open_clip model into what Triton serves, and checks what is served against open_clip.

Reads a checkpoint; writes a Triton model repository with its card (`model.json`). torch and open_clip are imported
only inside the functions that need them: the `[models]` extra.
"""
