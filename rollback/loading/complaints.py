"""What pydantic found becomes complaints that a person can act on.

One complaint a place; it says what is there, where, and what was expected, and never repeats the
value of an environment's field (it may be a secret that slipped into the wrong place).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rollback.errors import did_you_mean
from rollback.loading.shape import DURATION
from rollback.loading.words import FIELD_WORDS, words_of_pattern

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import ValidationError

    from rollback.errors import Complaint
    from rollback.loading.document import Document, Tree
    from rollback.loading.shape import Shape

Path = tuple[str | int, ...]


def meant(wrong: str, known: Iterable[str]) -> str:
    """``; did you mean x?`` where something known is close, otherwise empty."""
    near = did_you_mean(wrong, known).rstrip()
    return f"; {near}" if near else ""


def kind_of(value: Tree) -> str:
    """What a plain value is, in words."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true or false"
    names = {str: "text", int: "a number", float: "a decimal number", list: "a list"}
    return names.get(type(value), "a mapping")


def unknown_key(document: Document, path: Path, shape: Shape) -> Complaint:
    """A key that is not one of the shape's."""
    key = str(path[-1])
    return document.complaint(
        path,
        f"unknown key `{key}`",
        f"one of {', '.join(shape.names)}{meant(key, shape.names)}",
    )


def from_validation(
    problem: ValidationError,
    document: Document,
    shape: Shape,
    *,
    prefix: Path = (),
    value: Tree = None,
) -> tuple[Complaint, ...]:
    """One complaint for each place that pydantic refused.

    prefix: where `value` (the tree that was validated, as written) stands in the document.
    """
    found: dict[Path, list[dict[str, Any]]] = {}
    for error in problem.errors(include_url=False, include_input=False):
        path = _place(error["loc"], value, missing=error["type"] == "missing")
        found.setdefault(path, []).append(dict(error))
    return tuple(
        _complaint(errors, path, document, shape, prefix, value)
        for path, errors in found.items()
        if not _follows(errors, path, found)
    )


def _follows(errors: list[dict[str, Any]], path: Path, found: Iterable[Path]) -> bool:
    """Whether a list is only too short because what stands in it does not fit, and is told."""
    short = all(error["type"] == "too_short" for error in errors)
    return short and any(one != path and one[: len(path)] == path for one in found)


def _place(loc: tuple[int | str, ...], value: Tree, *, missing: bool) -> Path:
    """Pydantic's location as a path of the file.

    Names of union arms and validators are left out; the n-th pair of a mapping is its n-th key.
    """
    path: list[str | int] = []
    here = value
    skip = False
    for position, part in enumerate(loc):
        if skip:
            skip = False
            continue
        if isinstance(here, dict) and isinstance(part, int) and part < len(here):
            key = list(here)[part]
            path.append(key)
            here = here[key]
            skip = True
        elif _holds(here, part):
            path.append(part)
            here = here[part]
        elif missing and position == len(loc) - 1:
            path.append(part)
    return tuple(path)


def _holds(here: Tree, part: int | str) -> bool:
    if isinstance(here, list):
        return isinstance(part, int) and part < len(here)
    return isinstance(here, dict) and part in here


def _complaint(
    errors: list[dict[str, Any]],
    path: Path,
    document: Document,
    shape: Shape,
    prefix: Path,
    value: Tree,
) -> Complaint:
    first = errors[0]
    around = shape.at(path[:-1]) if path else shape
    full = (*prefix, *path)
    if first["type"] == "extra_forbidden":
        return unknown_key(document, full, around)
    if first["type"] == "missing":
        words = FIELD_WORDS.get(f"{around.title}.{path[-1]}") or shape.at(path).words
        return document.complaint(full, f"`{path[-1]}` is missing", words)
    here = value
    for part in path:
        here = here[part]
    expected = " or ".join(dict.fromkeys(_expected(error, shape.at(path)) for error in errors))
    if first["type"] == "value_error":
        return document.complaint(full, "the fields here do not fit together", expected)
    return document.complaint(full, f"{_what(first, here)} does not fit", expected)


def _what(error: dict[str, Any], here: Tree) -> str:
    """What stands there. The value itself only where it is one word out of a closed list."""
    if error["type"] == "string_too_short" and not here:
        return "empty text"
    if error["type"] in ("literal_error", "enum") and isinstance(here, str):
        return f"`{here}`" if here.isascii() and here.isprintable() and len(here) <= 40 else "text"  # noqa: PLR2004
    return kind_of(here)


def _expected(error: dict[str, Any], shape: Shape) -> str:
    context = error.get("ctx", {})
    simple = {
        "string_type": "text (a value that looks like a number needs quotes)",
        "int_type": "a whole number",
        "int_from_float": "a whole number",
        "bool_type": "true or false",
        "tuple_type": "a list, like [web, backend]",
        "datetime_type": "a time like 2026-11-23T02:00:00Z",
        "datetime_parsing": "a time like 2026-11-23T02:00:00Z",
        "datetime_from_date_parsing": "a time like 2026-11-23T02:00:00Z",
    }
    match error["type"]:
        case "int_type" | "int_from_float" if shape.kind != "integer":
            return DURATION.words
        case kind if kind in simple:
            return simple[kind]
        case "model_type" | "dict_type" | "model_attributes_type":
            return shape.words
        case "string_pattern_mismatch":
            return words_of_pattern(str(context["pattern"]))
        case "literal_error" | "enum":
            return (
                f"one of {context['expected']}"
                if "," in str(context["expected"])
                else str(context["expected"])
            )
        case "union_tag_invalid" | "union_tag_not_found":
            return f"kind: one of {context.get('expected_tags', _tags(shape))}"
        case "too_short" | "too_long" | "string_too_short" | "string_too_long":
            return _size(error["type"], context)
        case "value_error":
            return str(context["error"])
        case _:
            return str(error["msg"]).removeprefix("Input should be ").removeprefix("Value error, ")


def _size(kind: str, context: dict[str, Any]) -> str:
    what, of = ("text", " characters") if kind.startswith("string") else ("a list", "")
    if kind.endswith("long"):
        return f"{what} of {context['max_length']}{of} or fewer"
    least = context["min_length"]
    return "text" if of and least == 1 else f"{what} of {least}{of} or more"


def _tags(shape: Shape) -> str:
    return ", ".join(str(model.model_fields["kind"].default) for model in shape.models)
