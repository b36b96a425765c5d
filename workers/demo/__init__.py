"""The demonstration: a seeded sample world, and the story that plays it through the real servers."""
