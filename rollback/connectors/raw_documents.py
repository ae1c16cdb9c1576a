"""Cutting the documents of a page out of its bytes, without writing them anew. Pure."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Buffer

_SPACE = re.compile(r"[ \t\n\r]*")
_SCAN = json.JSONDecoder().raw_decode
_NAME = b'"Documents"'
_PLAIN = re.compile(rb'\{(?:"_rid":"[^"\\]*",)?"Documents":\[')
_COUNT = re.compile(rb'"_count"\s*:\s*(\d+)\s*\}\s*\Z')
"""How many documents a page says it has, as its last member."""

_COUNT_BYTES = 64
_END = re.compile(rb'\](?:,"_count":\d+)?\}')
"""How the service writes a page: nothing but these names, and no spaces."""


_BREAKS = bytes.maketrans(b"\r\n", b"  ")


def document_lines(body: bytes) -> tuple[bytes, int]:
    """The documents of a page as lines, each with its newline, and how many there are.

    Byte for byte, but for line breaks between the values of a document: they become spaces.
    Raises ValueError like `documents`, and where the page says another number than it holds.
    """
    found = documents(body)
    items = len(found)
    said = _COUNT.search(body[-_COUNT_BYTES:])
    if said is not None and int(said[1]) != items:
        msg = f"the page says {int(said[1])} documents and holds {items}"
        raise ValueError(msg)
    if b"\n" in body or b"\r" in body:
        return b"".join(bytes(one).translate(_BREAKS) + b"\n" for one in found), items
    return b"\n".join([*found, b""]), items


def documents(body: bytes) -> Sequence[Buffer]:
    """The elements of the array ``Documents`` of a JSON object, each byte for byte as it stands.

    Raises ValueError where the body is no such JSON, or the name stands twice or not at all.
    """
    if not body.isascii():
        body.decode()
    try:
        if match := _PLAIN.match(body):
            found: Sequence[Buffer] = _decoder().decode(body).Documents
            end = match.end() + sum(map(len, found)) + max(0, len(found) - 1)  # type: ignore[arg-type]
            if _END.fullmatch(body, end):
                return found  # one array is all there is between the first names and the last
        if body.count(_NAME) != 1 or rb"\u" in body:
            # Twice at the top, or inside a document, or written with escapes: told by a slow scan.
            return _documents(body.decode())
        return _decoder().decode(body).Documents  # type: ignore[no-any-return]
    except (IndexError, RecursionError) as error:
        msg = "the page is cut short, or nested too deeply"
        raise ValueError(msg) from error


@lru_cache(maxsize=1)
def _decoder() -> Any:
    """Msgspec finds the ends of values without making them: about forty times json's speed."""
    import msgspec

    page = msgspec.defstruct("Page", [("Documents", list[msgspec.Raw])])
    return msgspec.json.Decoder(page)


def _documents(text: str) -> tuple[bytes, ...]:
    found: tuple[bytes, ...] | None = None
    place = _after(text, _space(text, 0), "{")
    while text[place] != "}":
        key, place = _SCAN(text, place)
        place = _after(text, _space(text, place), ":")
        if key == "Documents":
            if found is not None:
                msg = "Documents stands twice"
                raise ValueError(msg)
            found, place = _elements(text, place)
        else:
            _, place = _SCAN(text, place)
        place = _next(text, place, "}")
    if _space(text, place + 1) != len(text) or found is None:
        msg = "not one JSON object with Documents"
        raise ValueError(msg)
    return found


def _elements(text: str, place: int) -> tuple[tuple[bytes, ...], int]:
    found: list[bytes] = []
    place = _after(text, place, "[")
    while text[place] != "]":
        _, end = _SCAN(text, place)
        found.append(text[place:end].encode())
        place = _next(text, end, "]")
    return tuple(found), place + 1


def _space(text: str, place: int) -> int:
    match = _SPACE.match(text, place)
    return match.end() if match else place


def _after(text: str, place: int, mark: str) -> int:
    if text[place] != mark:
        msg = f"{mark} expected"
        raise ValueError(msg)
    return _space(text, place + 1)


def _next(text: str, place: int, end: str) -> int:
    """The place of the next element after a comma, or of the closing mark."""
    place = _space(text, place)
    if text[place] == end:
        return place
    place = _after(text, place, ",")
    if text[place] == end:
        msg = "a comma before the end"
        raise ValueError(msg)
    return place
