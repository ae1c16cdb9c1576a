"""Planted secrets, every form they may be written in, and where to look for them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

import zstandard

PASSWORD = 'pass "w+rd/\\&=%41 \u00fcx-9d27'
CLIENT = "client~s3cret+/=&x-5c11"
PLANTED = 'planted/"c&n+ry\\x-7e02'
"""Nobody is given this one: it stands in settings, error bodies and tokens of the world."""


def forms(value: str) -> dict[str, str]:
    """The ways in which a value may stand in a text, by their names."""
    raw = value.encode()
    written = {
        "raw": value,
        "url": quote(value, safe=""),
        "url, slashes kept": quote(value),
        "form": quote_plus(value),
        "json": json.dumps(value)[1:-1],
        "json in json": json.dumps(json.dumps(value))[3:-3],
        "json, not ASCII": json.dumps(value, ensure_ascii=False)[1:-1],
        "repr": repr(value)[1:-1],
        "hex": raw.hex(),
    }
    for offset in range(3):
        whole = base64.b64encode(b"\0" * offset + raw + b"\0\0")
        start, end = (0, 2, 3)[offset], (offset + len(raw)) * 8 // 6
        written[f"base64 at {offset}"] = whole[start:end].decode()
        written[f"base64url at {offset}"] = (
            whole[start:end].translate(bytes.maketrans(b"+/", b"-_")).decode()
        )
    return written


def found(text: str, where: str, **more: str) -> list[str]:
    """Which secrets stand in a text, in which form. more: others beside the three."""
    planted = {"password": PASSWORD, "client": CLIENT, "planted": PLANTED, **more}
    return [
        f"{name} as {form} in {where}"
        for name, value in planted.items()
        for form, written in forms(value).items()
        if written in text
    ]


def kept(folder: Path) -> Iterator[tuple[str, str]]:
    """Every file below a folder as text, packed ones also unpacked."""
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        yield from spoken(str(file), file.read_bytes())


def spoken(where: str, data: bytes) -> Iterator[tuple[str, str]]:
    """Some bytes as text, and where they are packed also unpacked."""
    yield where, data.decode("utf-8", "replace")
    if data.startswith(zstandard.FRAME_HEADER):
        unpacked = zstandard.ZstdDecompressor().decompressobj().decompress(data)
        yield f"{where}, unpacked", unpacked.decode("utf-8", "replace")
