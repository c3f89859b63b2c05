"""Pictures on disk and in memory: reading, writing, colour, size."""
