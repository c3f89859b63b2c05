"""Make docs/images/styles.jpg: example photos (public domain and CC0 ones) in the styles of some models.

python tools/make_sheet.py STYLES MODELS NAME...    (STYLES/NAME.jpg was learnt as MODELS/NAME.onnx)
"""

import sys
from pathlib import Path

from impasto import load, load_image, save_image
from impasto.image import contact_sheet, resize_short_side

ROOT = Path(__file__).parents[1]
PHOTOS = ("castle.jpg", "astronaut.jpg", "coffee.jpg")

if __name__ == "__main__":
    styles, models, names = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
    photos = [resize_short_side(load_image(ROOT / "examples" / "photos" / name), 512) for name in PHOTOS]
    pictures = [load_image(styles / f"{name}.jpg") for name in names]
    white = photos[0][:1, :1] * 0 + 255
    rows = [[white, *pictures]]
    stylizers = [load(models / f"{name}.onnx") for name in names]
    rows += [[photo, *(stylizer(photo) for stylizer in stylizers)] for photo in photos]
    target = ROOT / "docs" / "images" / "styles.jpg"
    target.parent.mkdir(exist_ok=True)
    save_image(target, contact_sheet(rows, cell=420), quality=85)
    print(target)
