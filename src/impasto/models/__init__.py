"""Model and style files, the shipped styles, and transformations of a model's graph."""
