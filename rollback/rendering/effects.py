"""Permitted writes, as a reviewer reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from rollback.model.effect import (
    BoundedBody,
    ExactBody,
    FileWrite,
    HttpWrite,
    NoBody,
    SelfAddressedBody,
)
from rollback.rendering.escape import BODY_CHARS_MAX
from rollback.rendering.view import Cut, Line, Span, Style, Weight, line, prose
from rollback.rendering.words import counted, sized

if TYPE_CHECKING:
    from rollback.model.effect import Effect


def effect_lines(effect: Effect) -> list[Line]:
    """Method, host, path, body and undo of one permitted write."""
    times = "once" if effect.times_max == 1 else f"at most {effect.times_max:,} times"
    if isinstance(effect, FileWrite):
        head = line(
            "{} under {}, at most {}",
            prose(_files(effect.times_max)),
            effect.path,
            prose(sized(effect.bytes_max) + (" in all" if effect.times_max > 1 else "")),
            label="write",
            depth=1,
            cut=Cut.WRITES,
        )
        return [head, _undo(effect)]
    only = {
        "none": "",
        "create-only": "; creates only",
        "if-match": "; replaces only what was read",
    }[effect.condition]
    back = (
        f"; again at most {counted(effect.returns_max, 'time')}, "
        "only after looking has shown that it was not applied"
    )
    head = line(
        "{} {} {}{}{}",
        prose(effect.method),
        write_text(effect),
        prose(times),
        prose(only),
        prose(back if effect.returns_max else ""),
        label="write",
        depth=1,
        cut=Cut.WRITES,
    )
    return [head, *_body(effect.body), _undo(effect)]


def _files(times_max: int) -> str:
    return "one file" if times_max == 1 else f"at most {times_max:,} files"


def _body(body: NoBody | ExactBody | SelfAddressedBody | BoundedBody) -> list[Line]:
    match body:
        case NoBody():
            return []
        case ExactBody(content=None):
            text = "not shown, it would show a secret; sha256 {}"
            return [line(text, body.sha256, label="body", depth=2, cut=Cut.BODIES)]
        case ExactBody():
            content = body.content or ""
            lines = [line("{}", Span(content, Style.BODY), label="body", depth=2, cut=Cut.BODIES)]
            if len(content) > BODY_CHARS_MAX:
                lines.append(line("sha256 {}", body.sha256, label="body", depth=2, cut=Cut.BODIES))
            return lines
        case SelfAddressedBody():
            text = f"named by its own digest, at most {sized(body.bytes_max)}"
        case BoundedBody():
            text = f"at most {sized(body.bytes_max)}"
        case _:
            assert_never(body)
    return [line("{}", prose(text), label="body", depth=2, cut=Cut.BODIES)]


def _undo(effect: Effect) -> Line:
    if effect.undo.possible:
        return line("{}", prose(effect.undo.by), label="undo", depth=2, cut=Cut.DETAILS)
    return line(
        "cannot be undone{}",
        prose(f": {effect.undo.by}" if effect.undo.by else ""),
        label="undo",
        depth=2,
        weight=Weight.IRREVERSIBLE,
    )


def write_text(effect: HttpWrite) -> str:
    """Host, path and query of a permitted request."""
    query = "&".join(f"{name}={value}" for name, value in effect.query)
    return f"{effect.host}{effect.path}" + (f"?{query}" if query else "")
