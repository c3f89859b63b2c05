"""Make the package's base weights, what `impasto train` begins with, from a finished run.

impasto train composition_vii.jpg -o base.onnx --start nothing --minutes 12 ...
python tools/make_base.py base.run
"""

import sys
from importlib import resources
from pathlib import Path

from impasto.train.weights import BASE, save_base

if __name__ == "__main__":
    target = Path(str(resources.files("impasto"))) / "data" / BASE
    save_base(Path(sys.argv[1]) / "checkpoint.pt", target)
    print(f"{target}: {target.stat().st_size} bytes")
