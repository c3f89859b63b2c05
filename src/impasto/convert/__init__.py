"""Converts other projects' models to model files, without unpickling and without torch."""
