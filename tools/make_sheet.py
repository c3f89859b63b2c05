"""Make docs/images/styles.jpg: one example photo in all shipped styles.

python tools/make_sheet.py
"""

from pathlib import Path

import impasto
from impasto.sheets import style_sheet

ROOT = Path(__file__).parents[1]

if __name__ == "__main__":
    photo = impasto.load_image(ROOT / "examples" / "photos" / "castle.jpg")
    impasto.save_image(ROOT / "docs" / "images" / "styles.jpg", style_sheet(photo, columns=5), quality=85)
