"""Video in and out: frames keep their timing, colours and sound."""
