"""Contact sheets."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from impasto.errors import ImageError
from impasto.pictures.picture import Pixels, to_pillow


def contact_sheet(
    rows: Sequence[Sequence[Pixels]],
    *,
    labels: Sequence[str] = (),
    captions: Sequence[Sequence[str]] = (),
    cell: int = 320,
) -> Pixels:
    """Images side by side on white, one sequence per row: uint8 (H, W, 3).

    Args:
        rows: Images of any sizes, uint8 (H, W, 3). Each is scaled to fit a square of `cell` pixels with its aspect
            ratio kept, and centered in its column and row. Rows may differ in length.
        labels: A heading for each column, at most as many as there are columns. A label that is too long for its
            column gets a smaller font.
        captions: For each row a text above each image, instead of headings.
        cell: Side of the square in pixels.

    Raises:
        ImageError: There is no image, or there are more labels than columns.
    """
    columns = max((len(row) for row in rows), default=0)
    if columns == 0:
        raise ImageError("a contact sheet needs at least one picture")
    if len(labels) > columns:
        raise ImageError(f"{len(labels)} labels for {columns} columns; give at most one for each")
    gutter = max(4, cell // 32)
    text_size = max(10, cell // 16)
    header = 2 * text_size if labels else 0

    cells = [[_fit(picture, cell) for picture in row] for row in rows if row]
    widths = [max(row[column].width for row in cells if column < len(row)) for column in range(columns)]
    strip = 2 * text_size if captions else 0
    heights = [strip + max(picture.height for picture in row) for row in cells]
    lefts = [gutter + sum(widths[:column]) + gutter * column for column in range(columns)]
    sheet = Image.new(
        "RGB",
        (gutter + sum(widths) + gutter * columns, gutter + header + sum(heights) + gutter * len(heights)),
        "white",
    )

    draw = ImageDraw.Draw(sheet)

    def write(label: str, left: int, width: int, middle: float) -> None:
        size = text_size
        while size > 8 and draw.textlength(label, font=ImageFont.load_default(size)) > width:
            size -= 1
        draw.text((left + width / 2, middle), label, fill="black", font=ImageFont.load_default(size), anchor="mm")

    for label, left, width in zip(labels, lefts, widths, strict=False):
        write(label, left, width, gutter + header / 2)

    top = gutter + header
    for number, (row, height) in enumerate(zip(cells, heights, strict=True)):
        for label, left, width in zip(captions[number] if captions else (), lefts, widths, strict=False):
            write(label, left, width, top + strip / 2)
        for picture, left, width in zip(row, lefts, widths, strict=False):
            below = strip + (height - strip - picture.height) // 2
            sheet.paste(picture, (left + (width - picture.width) // 2, top + below))
        top += height + gutter
    return np.asarray(sheet)


def _fit(array: Pixels, cell: int) -> Image.Image:
    image = to_pillow(array)
    scale = cell / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image if size == image.size else image.resize(size, Image.Resampling.LANCZOS)
