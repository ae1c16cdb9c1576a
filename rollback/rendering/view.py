"""What a document says, before it has a face: ordered sections of weighted lines.

A face decides how a line looks, never whether it stands there. Only `fit` takes lines away, by
`cut`, and never one whose `cut` is KEEP.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum


class Style(StrEnum):
    """prose: words. data: a value from the world or a file, set off. body: the same, but long.

    strong: words that stand out.
    """

    PROSE = "prose"
    DATA = "data"
    BODY = "body"
    STRONG = "strong"


class Weight(StrEnum):
    """How heavy a line is; the first five are never cut."""

    FORBIDDEN = "forbidden"
    IRREVERSIBLE = "irreversible"
    UNKNOWN = "unknown"
    WEAK = "weak"
    EXPOSURE = "exposure"
    GOOD = "good"
    PLAIN = "plain"
    NOTE = "note"


TAGS = {
    Weight.FORBIDDEN: "STOP",
    Weight.IRREVERSIBLE: "IRREVERSIBLE",
    Weight.UNKNOWN: "UNKNOWN",
    Weight.WEAK: "WEAK",
    Weight.EXPOSURE: "EXPOSED",
}
"""The word in front of a heavy line, so that no face needs colour to be understood."""

NEVER_CUT = frozenset(
    {Weight.FORBIDDEN, Weight.IRREVERSIBLE, Weight.UNKNOWN, Weight.WEAK, Weight.EXPOSURE}
)


class Cut(IntEnum):
    """The fixed order of cutting: the highest goes first, from the end; KEEP never goes."""

    KEEP = 0
    WRITES = 1
    BODIES = 2
    DETAILS = 3
    PROOF = 4
    NO_OPS = 5
    NOTES = 6
    REQUESTS = 7
    OBSERVED = 8
    CONTEXT = 9


CUT_NAMES = {
    Cut.WRITES: "writes",
    Cut.BODIES: "request bodies",
    Cut.DETAILS: "details of changes",
    Cut.PROOF: "details of the proof",
    Cut.NO_OPS: "changes that do nothing",
    Cut.NOTES: "notes",
    Cut.REQUESTS: "requests",
    Cut.OBSERVED: "observations",
    Cut.CONTEXT: "context of observations",
}


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of text in one style. Not escaped yet: each face does that."""

    text: str
    style: Style = Style.PROSE


Spans = tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """One line. label: our own word in front. depth: how far set in. number: in a sequence."""

    spans: Spans
    label: str = ""
    weight: Weight = Weight.PLAIN
    cut: Cut = Cut.KEEP
    depth: int = 0
    number: int | None = None

    def __post_init__(self) -> None:
        """A line of a heavy weight is kept, whatever was asked."""
        if self.weight in NEVER_CUT and self.cut is not Cut.KEEP:
            object.__setattr__(self, "cut", Cut.KEEP)


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of equal length under a header of our own words. lead: cells that say what a row is."""

    header: tuple[str, ...]
    rows: tuple[tuple[Spans, ...], ...]
    cut: Cut = Cut.KEEP
    lead: int = 1


@dataclass(frozen=True, slots=True)
class Section:
    """A titled run of lines. under: a heading one level down (a step).

    folded: shut at first, where a face can fold; nothing is left out.
    """

    title: str
    items: tuple[Line | Table, ...]
    under: bool = False
    subject: Spans = ()
    folded: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """A document.

    verdict: our own word; good: whether it is good news; warned: whether something on the first
    screen stands against it. lead: how many of the first sections make the first screen. first:
    lines that stand above everything (break-glass, authority lost).
    """

    kind: str
    verdict: str
    good: bool
    title: Spans
    sections: tuple[Section, ...]
    lead: int = 1
    first: tuple[Line, ...] = ()
    warned: bool = False
    footer: tuple[Line, ...] = field(default=())


def joined(run: Spans) -> Spans:
    """The same text with neighbouring prose in one span, so that no token is split between two."""
    made: list[Span] = []
    for span in run:
        if made and span.style is Style.PROSE and made[-1].style is Style.PROSE:
            made[-1] = Span(made[-1].text + span.text)
        else:
            made.append(span)
    return tuple(made)


def spans(template: str, *data: object) -> Spans:
    """Prose with ``{}`` where a value from the world stands."""
    parts = template.split("{}")
    if len(parts) != len(data) + 1:
        msg = f"{len(data)} values for {len(parts) - 1} places in {template!r}"
        raise ValueError(msg)
    made: list[Span] = []
    for index, part in enumerate(parts):
        if part:
            made.append(Span(part))
        if index < len(data):
            value = data[index]
            made.extend(_placed(value))
    return tuple(made)


def _placed(value: object) -> Spans:
    """A value in its place: a span as it is, several values with commas between, else data."""
    if isinstance(value, Span):
        return (value,)
    if not isinstance(value, tuple):
        return (Span(str(value), Style.DATA),)
    if not value:
        return (Span("none"),)
    parts = [part for each in value for part in (Span(", "), Span(str(each), Style.DATA))]
    return tuple(parts[1:])


def line(
    template: str,
    *data: object,
    label: str = "",
    weight: Weight = Weight.PLAIN,
    cut: Cut = Cut.KEEP,
    depth: int = 0,
    number: int | None = None,
) -> Line:
    """A line from a template; see `spans`."""
    return Line(
        spans=spans(template, *data),
        label=label,
        weight=weight,
        cut=cut,
        depth=depth,
        number=number,
    )


def prose(text: str) -> Span:
    """Words that an action or a person wrote, with values from the world among them."""
    return Span(text, Style.PROSE)


def command(text: str) -> Span:
    """Something to be typed, as it is."""
    return Span(text, Style.BODY)


def strong(text: str) -> Span:
    """Words that stand out."""
    return Span(text, Style.STRONG)
