"""The data that `impasto train`, `gatys`, `evaluate` and `stylize --refine` need; Impasto finds it by itself.

`PATH` is the folder with the files; LICENSES.md, beside them, says where each comes from and what its license is.
"""

from pathlib import Path

__version__ = "0.1.0"
PATH = Path(__file__).parent
