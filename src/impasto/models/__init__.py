"""Model and style files, the shipped styles, and the forms of a model's graph."""
