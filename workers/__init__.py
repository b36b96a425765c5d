"""Streamscout's workers: each reads topics, writes topics or collections, and knows nothing of the others."""
