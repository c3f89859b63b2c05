"""Paintings outside Impasto: plain ONNX files, and web pages."""
