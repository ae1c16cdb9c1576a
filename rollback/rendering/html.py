"""One self-contained HTML file: no network, no script, prints, dark and light, fits a phone."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from rollback.rendering.escape import BODY_CHARS_MAX, DATA_CHARS_MAX, PROSE_CHARS_MAX, clipped
from rollback.rendering.view import TAGS, Span, Style, Table, View

if TYPE_CHECKING:
    from jinja2 import Template

_LIMITS = {
    Style.PROSE: PROSE_CHARS_MAX,
    Style.STRONG: PROSE_CHARS_MAX,
    Style.DATA: DATA_CHARS_MAX,
    Style.BODY: BODY_CHARS_MAX,
}


def html(view: View) -> str:
    """The view as one HTML document."""
    return _template().render(view=view, plain=_plain(view.title))


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["visible"] = _visible
    environment.globals["tags"] = TAGS
    environment.tests["table"] = lambda item: isinstance(item, Table)
    source = files("rollback.rendering").joinpath("document.html.j2").read_text(encoding="utf-8")
    return environment.from_string(source)


def _visible(span: Span) -> str:
    return clipped(span.text, _LIMITS[span.style])


def _plain(spans: tuple[Span, ...]) -> str:
    return "".join(_visible(span) for span in spans)
