"""A long run over mixed pictures: memory stays flat, nothing is lost, and every failure names its file.

`python -m tests.soak --count 500` makes the pictures, repaints them in one process through the API and by one
`impasto stylize` of the folder, and prints what it measured. `tests/test_soak.py` runs a small one.
"""
