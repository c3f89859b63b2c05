"""Images and files for the tests of this folder."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

Array = npt.NDArray[Any]

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
XMP = (
    "<?xpacket begin='\ufeff' id='W5M0MpCehiHzreSzNTczkc9d'?><x:xmpmeta xmlns:x='adobe:ns:meta/'>"
    f"<rdf:RDF xmlns:rdf='{RDF}'><rdf:Description rdf:about='' xmlns:dc='http://purl.org/dc/elements/1.1/'"
    " xmlns:tiff='http://ns.adobe.com/tiff/1.0/' xmlns:hdrgm='http://ns.adobe.com/hdr-gain-map/1.0/'"
    " xmlns:exif='http://ns.adobe.com/exif/1.0/' xmlns:xmp='http://ns.adobe.com/xap/1.0/' xmp:Rating='4'"
    " tiff:Orientation='6' hdrgm:Version='1.0' exif:PixelXDimension='4000'>"
    "<dc:rights><rdf:Alt><rdf:li xml:lang='x-default'>© Ärmel</rdf:li></rdf:Alt></dc:rights>"
    "</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end='w'?>"
).encode()


def noise(height: int = 40, width: int = 60) -> Array:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def smooth(height: int = 48, width: int = 64) -> Array:
    """Soft colors over the whole range, uint8 (H, W, 3)."""
    coarse = np.random.default_rng(1).integers(0, 256, (6, 8, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def encoded(image: Image.Image | Array, kind: str, **options: Any) -> bytes:
    """The bytes of a file that Pillow writes."""
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    file = io.BytesIO()
    image.save(file, format=kind, **options)
    return file.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG by the specification, 5.3."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_file(samples: Array, *chunks: bytes) -> bytes:
    """A PNG by the specification: uint8 or uint16 (H, W, 3), with these chunks behind its header."""
    height, width = samples.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, 8 * samples.itemsize, 2, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(row.dtype.newbyteorder(">")).tobytes() for row in samples)
    parts = [chunk(b"IHDR", header), *chunks, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)
