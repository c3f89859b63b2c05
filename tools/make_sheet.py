"""Make docs/images/styles.jpg: one example photo in all shipped styles.

python tools/make_sheet.py
"""

from pathlib import Path

import impasto
from impasto.image import contact_sheet, resize_short_side

ROOT = Path(__file__).parents[1]
COLUMNS = 6

if __name__ == "__main__":
    photo = resize_short_side(impasto.load_image(ROOT / "examples" / "photos" / "castle.jpg"), 512)
    pictures = {"the photo": photo, **{style.name: impasto.load(style.name)(photo) for style in impasto.styles()}}
    names = [*pictures]
    rows = [names[i : i + COLUMNS] for i in range(0, len(names), COLUMNS)]
    sheet = contact_sheet([[pictures[name] for name in row] for row in rows], captions=rows, cell=300)
    impasto.save_image(ROOT / "docs" / "images" / "styles.jpg", sheet, quality=85)
