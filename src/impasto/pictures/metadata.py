"""EXIF metadata: which of it still holds for the painted picture."""

import contextlib

from PIL import ExifTags, Image

_SUB_DIRECTORIES = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)
_KEPT = {
    *(ExifTags.Base.ImageDescription, ExifTags.Base.Make, ExifTags.Base.Model, ExifTags.Base.Software),
    *(ExifTags.Base.DateTime, ExifTags.Base.Artist, ExifTags.Base.HostComputer, ExifTags.Base.Copyright),
    *(ExifTags.Base.Rating, ExifTags.Base.RatingPercent),
    *(ExifTags.Base.XResolution, ExifTags.Base.YResolution, ExifTags.Base.ResolutionUnit),
    *(ExifTags.Base.XPTitle, ExifTags.Base.XPComment, ExifTags.Base.XPAuthor),
    *(ExifTags.Base.XPKeywords, ExifTags.Base.XPSubject),
}
"""Tags of the first directory that are kept.

In a TIFF the others describe how the file stores its pixels, or hold what is not painted: layers, reduced copies.
"""
_DROPPED = {
    *(ExifTags.Base.MakerNote, ExifTags.IFD.Interop),  # offsets into the old file
    *(ExifTags.Base.ColorSpace, ExifTags.Base.Gamma),
    *(ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight),
    *(0x9214, ExifTags.Base.SubjectLocation),  # the subject's area and place, before the image was turned
}
"""Tags of the sub-directories that do not hold for the painted picture."""


def orientation_of(image: Image.Image) -> int:
    """The EXIF orientation, as far as the file has been read; 0 if there is none, or the EXIF data are damaged."""
    with contextlib.suppress(Exception):
        return int(image.getexif().get(ExifTags.Base.Orientation, 0))
    return 0


def kept_exif(image: Image.Image) -> bytes | None:
    """The EXIF data that still hold for the painted picture, beginning with "Exif"; None if there are none."""
    try:
        exif = image.getexif()
        # Pillow writes the first directory and its sub-directories; the thumbnail is in the second directory.
        kept = Image.Exif()
        kept.update({tag: value for tag, value in exif.items() if tag in _KEPT})
        for directory in _SUB_DIRECTORIES:
            if below := exif.get_ifd(directory):
                kept.get_ifd(directory).update({k: v for k, v in below.items() if k not in _DROPPED})
        return kept.tobytes() if len(kept) or any(kept.get_ifd(directory) for directory in _SUB_DIRECTORIES) else None
    except Exception:
        return None
