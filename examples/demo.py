"""Learn a style from one picture, repaint photos with it, and lay it all out on one sheet: what `make demo` runs.

python examples/demo.py [MINUTES]
"""

import sys
from pathlib import Path

from impasto import load_image, save_image
from impasto.cli.main import main as impasto
from impasto.pictures.contact_sheet import contact_sheet
from impasto.pictures.folders import find_images

HERE = Path(__file__).parent
OUTPUT = Path("demo")


def main(minutes: str = "3") -> int:
    """Write demo/style.onnx, demo/painted/* and demo/sheet.jpg; returns the exit code of the step that failed, or 0."""
    style, photos = HERE / "style.jpg", HERE / "photos"
    model, painted = OUTPUT / "style.onnx", OUTPUT / "painted"
    OUTPUT.mkdir(exist_ok=True)
    title = "The Starry Night (1889), Vincent van Gogh"
    train = ["train", str(style), "-o", str(model), "--minutes", minutes, "--title", title]
    code = impasto([*train, "--licence", "public domain", "--restart"])
    code = code or impasto(["stylize", str(photos), "--model", str(model), "--output", str(painted), "--force"])
    if code:
        return code
    rows = [[load_image(style), load_image(photo), load_image(painted / photo.name)] for photo in find_images(photos)]
    sheet = OUTPUT / "sheet.jpg"
    save_image(sheet, contact_sheet(rows, labels=("style", "photo", "result"), cell=640))
    print(sheet.resolve())
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
