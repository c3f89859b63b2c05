"""Optimizing a picture's pixels: Gatys, Ecker, Bethge 2016."""
