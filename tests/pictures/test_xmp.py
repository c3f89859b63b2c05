"""XMP packets: what is kept of them, and where a JPEG XL has them."""

import struct

import pytest

from impasto.pictures.xmp import kept_xmp, xmp_in_jpeg_xl
from tests.pictures.images import RDF, XMP


@pytest.mark.parametrize("wide", [False, True])
def test_the_xmp_of_a_jpeg_xl_is_found(wide):
    def box(kind, content):
        if wide:
            return struct.pack(">I4sQ", 1, kind, len(content) + 16) + content
        return struct.pack(">I4s", len(content) + 8, kind) + content

    file = box(b"JXL ", b"\r\n\x87\n") + box(b"ftyp", b"jxl \0\0\0\0jxl ") + box(b"xml ", XMP) + box(b"jxlc", b"\xff\n")
    assert xmp_in_jpeg_xl(file) == XMP
    assert xmp_in_jpeg_xl(file.replace(b"xml ", b"Exif")) is None
    assert xmp_in_jpeg_xl(b"\xff\n" + bytes(100)) is None


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"no xml",
        b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>",
        b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
        b"<a>" * 5000 + b"</a>" * 5000,
        b"<a>" + b"x" * (2 << 20) + b"</a>",
        "<a>é</a>".encode("latin-1"),
    ],
)
def test_a_damaged_or_hostile_xmp_packet_is_left_out(bad):
    assert kept_xmp(bad) is None


def test_xmp_that_says_nothing_else_is_left_out():
    only = f"<x:xmpmeta xmlns:x='adobe:ns:meta/' x:xmptk='t'><r:RDF xmlns:r='{RDF}'><r:Description r:about=''"
    only += " xmlns:tiff='http://ns.adobe.com/tiff/1.0/' tiff:Orientation='6'/></r:RDF></x:xmpmeta>"
    assert kept_xmp(only.encode()) is None
