r"""Text from outside made safe to show: it cannot forge a line, a link, a mention or a table row.

Everything that a face writes passes through here, our own sentences included, because actions put
build ids and error bodies into their sentences. Three layers:

- `visible`: one line, no character that hides, moves the cursor, reorders its neighbours or is
  blank without being a space. What is taken away is shown as ``\u{hex}``.
- `clipped`: a bound, with the number of characters left out and the digest of the whole.
- `quoted` and `markdown_*`: the same for a given face.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata

PROSE_CHARS_MAX = 1_000
"""Characters of one sentence."""
DATA_CHARS_MAX = 1_000
"""Characters of one name, host, path or value."""
BODY_CHARS_MAX = 4_000
"""Characters of one request body that are shown."""

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_REORDERS = frozenset(
    {"R", "AL", "AN", "RLE", "RLO", "RLI", "LRE", "LRO", "LRI", "PDF", "PDI", "FSI"}
)
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")
_MARKS = frozenset({"Mn", "Mc", "Me"})
_MARKS_MAX = 2
_BARE = re.compile(r"[A-Za-z0-9._+@:/=,%{}~*()\[\]'!$&;?-]+")
_LETTERS = r"[^\W\d_]+"
_PLAIN = re.compile(rf"{_LETTERS}(?:['/-]{_LETTERS})*|\d{{1,6}}(?:[.,]\d{{1,3}})*%?|->|[-=+/&]|")
_HEX = re.compile(r"[a-f]{7,}")
_TOKEN = re.compile(r"(?P<lead>[(\"']*)(?P<core>.*?)(?P<trail>[)\"'.,;:!?]*)")


def visible(text: str) -> str:
    """The text on one line, every character of it to be seen and in the order it is stored."""
    if text.isascii() and text.isprintable() and "  " not in text:
        return text
    shown: list[str] = []
    marks = 0
    before = ""
    for char in text:
        category = unicodedata.category(char)
        marks = marks + 1 if category in _MARKS else 0
        hidden = (
            category in _HIDDEN
            or char in _BLANK
            or (category == "Zs" and (char != " " or before == " "))
            or unicodedata.bidirectional(char) in _REORDERS
            or marks > _MARKS_MAX
            or (marks > 0 and (not shown or unicodedata.name(char, "").startswith("VARIATION")))
        )
        shown.append(f"\\u{{{ord(char):x}}}" if hidden else char)
        before = char
    return "".join(shown)


def json_shown(document: str) -> str:
    """A JSON document for a terminal: the same value, every character of it to be seen.

    RFC 8785 leaves characters that hide, reorder or steer as they are; here they are escaped.
    """
    if document.isascii() and document.isprintable():
        return document
    return "".join(char if _steady(char) else _json_escape(char) for char in document)


def _steady(char: str) -> bool:
    return not (
        unicodedata.category(char) in _HIDDEN
        or char in _BLANK
        or unicodedata.bidirectional(char) in _REORDERS
    )


def _json_escape(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def clipped(text: str, chars_max: int) -> str:
    """`visible`, about `chars_max` characters, with size and digest of what is left out."""
    if len(text) <= chars_max:
        return visible(text)
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return (
        f"{visible(text[:chars_max])}...[{len(text) - chars_max} more characters, "
        f"sha256 of all {digest[:16]}]"
    )


def quoted(shown: str) -> str:
    """For plain text: bare where nothing can be misread, else in double quotes."""
    if _BARE.fullmatch(shown):
        return shown
    return '"' + shown.replace('"', '\\"') + '"'


def markdown_code(shown: str, *, cell: bool = False) -> str:
    """A code span around it; nothing inside is a link, a mention, a reference or HTML.

    cell: it stands in a table, where a bar would end the cell.
    """
    if not shown:
        return "(empty)"
    if cell:
        shown = shown.replace("|", "\\u{7c}")
    longest = max((len(run) for run in re.findall(r"`+", shown)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if shown[0] in "` " or shown[-1] in "` " else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def markdown_prose(shown: str, *, cell: bool = False) -> str:
    """Plain words stay words; every other token becomes a code span.

    A mention, an issue reference, a commit id, an address, an emoji name or any markup needs a
    character that plain words do not have, so none of them survives outside a code span.
    """
    return " ".join(_prose_token(token, cell=cell) for token in shown.split(" "))


def _prose_token(token: str, *, cell: bool) -> str:
    match = _TOKEN.fullmatch(token)
    if match is None:
        return markdown_code(token, cell=cell)
    core = match["core"]
    if _PLAIN.fullmatch(core) and not _HEX.fullmatch(core):
        return token
    return match["lead"] + markdown_code(core, cell=cell) + match["trail"]
