"""Writing TIFF files of 8 or 16 bits per sample with metadata.

Pillow writes no RGB TIFF of 16 bits, and loses EXIF when it compresses; libvips writes no EXIF into TIFF. Pillow's
directory writer does both, so the strips are compressed here and the directories are written by Pillow.
"""

import io
import zlib

import numpy as np
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from impasto.pictures.picture import Samples

_STRIP_BYTES = 1 << 20
"""Size of a strip before compression, about. Strips are compressed one by one."""
_DEFLATE, _DIFFERENCES, _RGB, _UNASSOCIATED_ALPHA = 8, 2, 2, 2


def encode_tiff(pixels: Samples, alpha: Samples | None, *, profile: bytes, exif: bytes | None = None) -> bytes:
    """The bytes of a TIFF file, compressed without loss (deflate, horizontal differences).

    Args:
        pixels: uint8 or uint16 (H, W, 3), sRGB.
        alpha: Opacity, (H, W) of the same dtype, or None.
        profile: The ICC profile of the pixels.
        exif: EXIF metadata, as Pillow's `Exif.tobytes` gives it.
    """
    height, width = pixels.shape[:2]
    channels = 3 if alpha is None else 4
    rows = max(1, _STRIP_BYTES // (width * channels * pixels.itemsize))
    strips = []
    for top in range(0, height, rows):
        part = pixels[top : top + rows]
        samples = part if alpha is None else np.dstack([part, alpha[top : top + rows]])
        differences = samples.astype(samples.dtype.newbyteorder("<"))
        differences[:, 1:] -= samples[:, :-1]
        strips.append(zlib.compress(differences.tobytes(), 2))

    directory = ImageFileDirectory_v2()  # little-endian
    if exif is not None:
        record = Image.Exif()
        record.load(exif)
        for tag, value in record.items():
            directory[tag] = value
        for tag in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
            if below := record.get_ifd(tag):
                directory[tag] = below
        if ExifTags.Base.XResolution in directory:
            directory.setdefault(ExifTags.Base.ResolutionUnit, 2)  # inches, the default of the standard
    directory[ExifTags.Base.ImageWidth] = width
    directory[ExifTags.Base.ImageLength] = height
    directory[ExifTags.Base.BitsPerSample] = (8 * pixels.itemsize,) * channels
    directory[ExifTags.Base.Compression] = _DEFLATE
    directory[ExifTags.Base.PhotometricInterpretation] = _RGB
    directory[ExifTags.Base.SamplesPerPixel] = channels
    directory[ExifTags.Base.RowsPerStrip] = rows
    directory[ExifTags.Base.PlanarConfiguration] = 1
    directory[ExifTags.Base.Predictor] = _DIFFERENCES
    if alpha is not None:
        directory[ExifTags.Base.ExtraSamples] = _UNASSOCIATED_ALPHA
    directory[ExifTags.Base.InterColorProfile] = profile
    lengths = [len(strip) for strip in strips]
    directory[ExifTags.Base.StripByteCounts] = lengths
    # From the end of the directory; Pillow adds its place in the file.
    directory[ExifTags.Base.StripOffsets] = [0, *np.cumsum(lengths[:-1]).tolist()]
    file = io.BytesIO()
    directory.save(file)
    file.write(b"".join(strips))
    return file.getvalue()
