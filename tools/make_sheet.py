"""Make sheets for docs/images: all shipped styles, three at several strengths, six by both networks, two crisp.

python tools/make_sheet.py
"""

from dataclasses import replace
from functools import partial
from pathlib import Path

import impasto
from impasto.models.catalog import VARIANTS
from impasto.painting.settings import Settings
from impasto.painting.sheets import STRENGTHS, style_sheet
from impasto.painting.stylizer import DEFAULT
from impasto.pictures.contact_sheet import contact_sheet
from impasto.pictures.picture import Pixels
from impasto.pictures.resize import resize_short_side

ROOT = Path(__file__).parents[1]
SIZE = 512
CRISP = ("udnie", "starry_night")
STRONGER = ("udnie", "great_wave", "klimt_kiss")
PAIRS = {
    "great_wave": "astronaut",
    "udnie": "castle",
    "starry_night": "city",
    "the_scream": "coffee",
    "klimt_kiss": "kitten",
    "roman_mosaic_duck": "castle",
}


def example(name: str) -> Pixels:
    """An example photo."""
    return impasto.load_image(ROOT / "examples" / "photos" / f"{name}.jpg")


def middle(picture: Pixels) -> Pixels:
    """The square in the middle of a picture."""
    left = (picture.shape[1] - SIZE) // 2
    return picture[:, left : left + SIZE]


if __name__ == "__main__":
    images = ROOT / "docs" / "images"
    impasto.save_image(images / "styles.jpg", style_sheet(example("castle"), columns=5), quality=85)
    city = resize_short_side(example("city"), 2 * SIZE)
    rows = []
    for name in CRISP:
        stylizer = impasto.load(name)
        rows.append(
            [middle(x)[SIZE // 2 : -SIZE // 2] for x in (city, stylizer(city, Settings(crisp=False)), stylizer(city))]
        )
    captions = [["photo", f"{name}, --no-crisp", name] for name in CRISP]
    impasto.save_image(images / "crisp.jpg", contact_sheet(rows, captions=captions, cell=SIZE), quality=85)
    castle, steps = resize_short_side(example("castle"), SIZE), [replace(DEFAULT, strength=x) for x in STRENGTHS]
    rows = [[castle, *map(partial(impasto.load(name), castle), steps)] for name in STRONGER]
    captions = [["photo", *(f"{name} {strength:g}" for strength in STRENGTHS)] for name in STRONGER]
    impasto.save_image(images / "strengths.jpg", contact_sheet(rows, captions=captions, cell=288), quality=85)
    photos = [resize_short_side(example(name), SIZE) for name in PAIRS.values()]
    rows = [[middle(photo) for photo in photos]]
    for variant in VARIANTS:
        painted = [impasto.load(name, variant=variant)(photo) for name, photo in zip(PAIRS, photos, strict=True)]
        rows.append([middle(picture) for picture in painted])
    captions = [["photo"] * len(PAIRS), *([f"{name}, {variant}" for name in PAIRS] for variant in VARIANTS)]
    impasto.save_image(images / "fast.jpg", contact_sheet(rows, captions=captions, cell=288), quality=82)
