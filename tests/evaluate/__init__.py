"""``make evaluate``: matching judged against baselines by a protocol (docs/evaluation), on worlds whose truth is known.

``world`` draws creators, posts and briefs with latent labels; ``posts`` passes them through the workers' own code;
``arms`` are the representations compared; ``judging`` holds their scores against the labels.
"""
