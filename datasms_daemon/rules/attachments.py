"""What an attachment is, by its first bytes, and what it may be called. Pure."""

from __future__ import annotations

import unicodedata

UNKNOWN_TYPE = "application/octet-stream"
TYPES = (UNKNOWN_TYPE, "image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf", "video/mp4")
HEAD_BYTES = 16
MOST_NAME_BYTES = 200
MOST_EXTENSION = 16

# Only what cannot run where it is shown; an HTML page or an SVG is bytes like any other.
_BEGINNINGS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
)
_EXTENSIONS = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/gif": "gif",
    "image/webp": "webp",
    "application/pdf": "pdf",
    "video/mp4": "mp4",
}
# What a name may not hold on the systems that people save it on; a path was cut off before.
_FORBIDDEN = str.maketrans(dict.fromkeys('<>:"|?*', "_"))
_DEVICES = {"con", "prn", "aux", "nul", *(f"{kind}{n}" for kind in ("com", "lpt") for n in "0123456789¹²³")}


def type_of(head: bytes) -> str:
    """The media type of what begins with these bytes (``HEAD_BYTES`` of them), from a short list."""
    for beginning, type_ in _BEGINNINGS:
        if head.startswith(beginning):
            return type_
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[4:8] == b"ftyp" and head[8:11] in (b"iso", b"mp4", b"avc", b"M4V"):
        return "video/mp4"
    return UNKNOWN_TYPE


def safe_name(name: str, type_: str) -> str:
    """``name`` as it may be shown and saved anywhere: no path, no control or direction mark, no device, not too long.

    One of which nothing is left gets a name by its type.
    """
    last = name.replace("\\", "/").rpartition("/")[2]
    kept = "".join(letter for letter in last if unicodedata.category(letter)[0] != "C")
    shown = " ".join(unicodedata.normalize("NFC", kept).split()).translate(_FORBIDDEN).strip(". ")
    if not shown.strip("_"):
        return f"attachment.{_EXTENSIONS.get(type_, 'bin')}"
    if shown.partition(".")[0].strip().lower() in _DEVICES:
        shown = f"_{shown}"
    return _shortened(shown)


def _shortened(name: str) -> str:
    if len(name.encode()) <= MOST_NAME_BYTES:
        return name
    stem, dot, extension = name.rpartition(".")
    if not stem or len(extension) > MOST_EXTENSION:
        stem, dot, extension = name, "", ""
    room = MOST_NAME_BYTES - len((dot + extension).encode())
    return stem.encode()[:room].decode("utf-8", "ignore").rstrip(". ") + dot + extension
