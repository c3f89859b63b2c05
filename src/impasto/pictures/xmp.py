"""XMP packets: what of them still holds for the painted picture."""

import contextlib
from typing import Any

_LONGEST = 1 << 20
_DROPPED_NAMESPACES = (
    "http://ns.adobe.com/hdr-gain-map/",  # a gain map, or a video, that the painted file does not have
    "http://ns.apple.com/HDRGainMap/",
    "http://ns.apple.com/pixeldatainfo/",
    "http://ns.google.com/photos/1.0/container/",
    "http://ns.google.com/photos/1.0/camera/",
    "http://ns.google.com/photos/1.0/depthmap/",
    "http://ns.google.com/photos/1.0/image/",
    "http://ns.google.com/photos/1.0/audio/",
    "http://ns.adobe.com/camera-raw-settings/1.0/",  # edits that a viewer would apply once more
)
_DROPPED_NAMES = {
    *("Orientation", "ImageWidth", "ImageLength", "PixelXDimension", "PixelYDimension", "ColorSpace"),
    *("ICCProfile", "ColorMode", "Thumbnails", "BitsPerSample", "HasExtendedXMP", "MakerNote", "NativeDigest"),
}


def kept_xmp(packet: bytes) -> bytes | None:
    """The packet without what describes the old file; None if nothing is left, or it is damaged.

    Dropped are orientation, size, color space, thumbnails, and references to gain maps, depth maps and videos.
    """
    from xml.dom import minidom  # few pictures have XMP
    from xml.parsers.expat import ExpatError

    packet = packet.strip(b"\0 \r\n\t")
    if len(packet) > _LONGEST or b"<!DOCTYPE" in packet or b"<!ENTITY" in packet:
        return None
    with contextlib.suppress(ExpatError, ValueError, LookupError, RecursionError):
        document = minidom.parseString(packet)
        for element in list(document.getElementsByTagName("*")):
            for attribute in list((element.attributes or {}).values()):
                if _is_dropped(attribute):
                    element.removeAttributeNode(attribute)
            if _is_dropped(element) and element.parentNode is not None:
                element.parentNode.removeChild(element)
        says_something = any(
            not (attribute.name.startswith("xmlns") or attribute.localName in ("about", "xmptk"))
            for element in document.getElementsByTagName("*")
            for attribute in (element.attributes or {}).values()
        ) or any(
            element.localName not in ("xmpmeta", "xapmeta", "RDF", "Description")
            for element in document.getElementsByTagName("*")
        )
        if says_something:
            return b"".join(node.toxml("utf-8") for node in document.childNodes)
    return None


def xmp_in_jpeg_xl(data: bytes) -> bytes | None:
    """The XMP packet in the container of a JPEG XL file: boxes of length, type and content."""
    start = 0
    while start + 8 <= len(data):
        length, kind, header = int.from_bytes(data[start : start + 4]), data[start + 4 : start + 8], 8
        if length == 1:
            length, header = int.from_bytes(data[start + 8 : start + 16]), 16
        if kind == b"xml ":
            return data[start + header : start + length if length else None]
        if length < header:  # 0: to the end of the file; less: a bare codestream, without boxes
            return None
        start += length
    return None


def _is_dropped(node: Any) -> bool:
    space = node.namespaceURI or ""
    return bool(space.startswith(_DROPPED_NAMESPACES) or (node.localName in _DROPPED_NAMES and "/" in space))
