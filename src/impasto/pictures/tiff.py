"""Writing TIFF files of 8 or 16 bits per sample with metadata.

Pillow cannot write 16-bit RGB TIFFs, and loses EXIF in compressed files; libvips does not write EXIF into TIFF.
Therefore this module compresses the strips and uses Pillow only to write the directories.
"""

import io
import zlib

import numpy as np
from PIL import ExifTags, TiffTags
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from impasto.pictures.metadata import Metadata, loaded_exif
from impasto.pictures.picture import Samples

_STRIP_BYTES = 1 << 20
"""Approximate size of a strip before compression. Strips are compressed separately."""
_XMP, _IPTC = 700, 33723
_DEFLATE, _DIFFERENCES, _RGB, _UNASSOCIATED_ALPHA = 8, 2, 2, 2


def encode_tiff(pixels: Samples, alpha: Samples | None, *, profile: bytes, metadata: Metadata) -> bytes:
    """The bytes of a TIFF file, compressed without loss (deflate, horizontal differences).

    Args:
        pixels: uint8 or uint16 (H, W, 3), sRGB.
        alpha: Opacity, (H, W) of the same dtype, or None.
        profile: The ICC profile of the pixels.
        metadata: EXIF, XMP, IPTC and resolution; text goes into EXIF.
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

    directory = _with_metadata(metadata)
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


def _with_metadata(metadata: Metadata) -> ImageFileDirectory_v2:
    """A little-endian directory that holds the metadata."""
    directory = ImageFileDirectory_v2()
    metadata = metadata.in_exif(comment=True, iptc=False)
    if metadata.exif:
        exif = loaded_exif(metadata.exif)
        for tag, value in exif.items():
            directory[tag] = value
        for tag in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
            if below := exif.get_ifd(tag):
                directory[tag] = below
        if ExifTags.Base.XResolution in directory:
            directory.setdefault(ExifTags.Base.ResolutionUnit, 2)  # inches, the default of the standard
    for number, data in ((_XMP, metadata.xmp), (_IPTC, metadata.iptc)):
        if data:
            directory.tagtype[number] = TiffTags.UNDEFINED if number == _IPTC else TiffTags.BYTE
            directory[number] = data
    return directory
