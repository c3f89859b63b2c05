"""Painting pictures with a model: engines, networks, stylizers, tiles, regions and batches."""
