"""Files of other projects that need no torch, made for the tests."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

DATA = Path(__file__).parent / "data"


def write_weight_folder(folder: Path, variables: Mapping[str, Any]) -> Path:
    """A folder as ml5 and deeplearn.js read it."""
    folder.mkdir(parents=True, exist_ok=True)
    manifest = {}
    for name, array in variables.items():
        (folder / name).write_bytes(np.asarray(array, "<f4").tobytes())
        manifest[name] = {"filename": name, "shape": [*array.shape]}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder
