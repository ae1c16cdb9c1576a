"""Cutting the documents of a page out of its bytes, without writing them anew. Pure."""

from __future__ import annotations

import json
import re

_SPACE = re.compile(r"[ \t\n\r]*")
_SCAN = json.JSONDecoder().raw_decode


def documents(body: bytes, name: str = "Documents") -> tuple[bytes, ...]:
    """The elements of the array `name` of a JSON object, each byte for byte as it stands.

    Raises ValueError where the body is no such JSON, or the name stands twice or not at all.
    """
    try:
        return _documents(body.decode(), name)
    except (IndexError, RecursionError) as error:
        msg = "the page is cut short, or nested too deeply"
        raise ValueError(msg) from error


def _documents(text: str, name: str) -> tuple[bytes, ...]:
    found: tuple[bytes, ...] | None = None
    place = _after(text, _space(text, 0), "{")
    while text[place] != "}":
        key, place = _SCAN(text, place)
        place = _after(text, _space(text, place), ":")
        if key == name:
            if found is not None:
                msg = f"{name} stands twice"
                raise ValueError(msg)
            found, place = _elements(text, place)
        else:
            _, place = _SCAN(text, place)
        place = _next(text, place, "}")
    if _space(text, place + 1) != len(text) or found is None:
        msg = f"not one JSON object with {name}"
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
