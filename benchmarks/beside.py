"""Make a sheet of the styles that other projects have trained too, at 1024 px, for a comparison by eye.

    python benchmarks/beside.py DATA [--out docs/images/beside.jpg] [--photos NAME ...]

DATA contains content/open, styles and peers. The sheet has one row for each style: its picture, a photo (enlarged to
1024 px, as the examples are smaller), the shipped style with --no-crisp and with default settings, and the best other
network, which paints the photo at that size.
"""

import argparse
from pathlib import Path

from quality import PEERS

import impasto
from impasto.errors import ImpastoError
from impasto.painting.settings import AS_IT_IS, Settings
from impasto.pictures.contact_sheet import contact_sheet
from impasto.pictures.read import load_image
from impasto.pictures.resize import resize_short_side
from impasto.pictures.write import check_saving, save_image

SIZE = 1024
EXAMPLES = Path(__file__).parents[1] / "examples" / "photos"
PHOTOS = ("castle", "coffee", "city", "astronaut", "kitten")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=Path("docs/images/beside.jpg"))
    parser.add_argument("--photos", nargs="+", type=Path, help="in turn for each style; the examples when absent")
    parser.add_argument("--cell", type=int, default=440, help="side of a picture on the sheet, pixels")
    options = parser.parse_args()
    try:
        make_sheet(options)
    except ImpastoError as error:
        parser.error(str(error))
    print(f"sheet: {options.out}")


def make_sheet(options: argparse.Namespace) -> None:
    """Paint, and write the sheet. Raises ImpastoError if a file is missing or the sheet cannot be written."""
    check_saving(options.out)
    files = options.photos or [EXAMPLES / f"{name}.jpg" for name in PHOTOS]
    rows, captions = [], []
    for number, (name, peers) in enumerate(PEERS.items()):
        file = files[number % len(files)]
        photo = resize_short_side(load_image(file), SIZE)
        theirs, peer = next(iter(peers(options.data, file).items()))
        ours = impasto.load(name)
        painted = [ours(photo, Settings(crisp=False)), ours(photo), peer(photo, AS_IT_IS)]
        rows.append([load_image(options.data / "styles" / f"{name}.jpg"), photo, *painted])
        captions.append([name, "photo", "impasto --no-crisp", "impasto", theirs.removesuffix("_b4_e2_1e05_1e10")])
    save_image(options.out, contact_sheet(rows, captions=captions, cell=options.cell), quality=82)


if __name__ == "__main__":
    main()
