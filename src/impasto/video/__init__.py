"""Video in and out: frames keep their timing, colors and sound."""
