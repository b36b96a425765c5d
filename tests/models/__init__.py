"""``make models``: architectures with random weights, built, served by Triton and held against open_clip."""
