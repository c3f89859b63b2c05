"""Paint the example photos in shipped styles, then learn a style from one picture and paint in it: `make demo`.

python examples/demo.py [MINUTES]

The first sheet, demo/shipped.jpg, is there within seconds. MINUTES, 3 by default, is the time to learn
examples/style.jpg, which is not among the shipped styles; demo/learned.jpg shows the photos painted in it.
"""

import sys
from pathlib import Path

import impasto
from impasto.cli.main import main as command
from impasto.pictures.contact_sheet import contact_sheet
from impasto.pictures.folders import find_images

HERE = Path(__file__).parent
OUTPUT = Path("demo")
SHOWN = 5
"""How many of the shipped styles the first sheet shows."""
TITLE = "The Night Café (1888), Vincent van Gogh"


def paint_in_shipped_styles(photos: list[Path], sheet: Path) -> None:
    """Write a sheet of the photos, one a row, beside their paintings in evenly chosen shipped styles."""
    names = [style.name for style in impasto.styles()]
    names = names[:: max(1, len(names) // SHOWN)][:SHOWN]
    first = impasto.load(names[0])
    stylizers = [first, *(first.restyled(name) for name in names[1:])]
    rows = []
    for path in photos:
        photo = impasto.load_image(path)
        rows.append([photo, *(stylizer(photo) for stylizer in stylizers)])
    impasto.save_image(sheet, contact_sheet(rows, labels=["photo", *names], cell=400))


def main(minutes: str = "3") -> int:
    """Write the sheets, the model and the paintings; return the exit code of the command that failed, or 0."""
    style, photos = HERE / "style.jpg", HERE / "photos"
    model, painted = OUTPUT / "style.onnx", OUTPUT / "painted"
    OUTPUT.mkdir(exist_ok=True)

    shipped = OUTPUT / "shipped.jpg"
    paint_in_shipped_styles(find_images(photos), shipped)
    print(f"{shipped.resolve()}: the example photos in styles that come with Impasto\n", flush=True)

    print(f"Learning the style of {TITLE}: {minutes} minutes", flush=True)
    train = ["train", str(style), "-o", str(model), "--minutes", minutes, "--title", TITLE]
    code = command([*train, "--license", "public domain", "--restart"])
    code = code or command(["stylize", str(photos), "--model", str(model), "--output", str(painted), "--force"])
    if code:
        return code
    rows = [
        [impasto.load_image(path) for path in (style, photo, painted / photo.name)] for photo in find_images(photos)
    ]
    learned = OUTPUT / "learned.jpg"
    impasto.save_image(learned, contact_sheet(rows, labels=("style", "photo", "painting"), cell=640))
    print(learned.resolve())
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
