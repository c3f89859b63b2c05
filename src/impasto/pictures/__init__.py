"""Pictures on disk and in memory: reading, writing, color, size."""
