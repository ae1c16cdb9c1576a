"""``rollback evidence diff``: what two captures say differently."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from rollback.cli import bundles, options, output
from rollback.errors import ExitStatus, InputError
from rollback.rendering.escape import clipped, visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rollback.evidence.compare import SourceDifference
    from rollback.evidence.read import Bundle
    from rollback.model.evidence import SourceWindow

LINES_MAX = 20
LINE_CHARS_MAX = 240
_WINDOWS = "windows"


@click.command(
    epilog="""\b
Examples:
  rollback evidence diff evidence/bundle-1
  rollback evidence diff before-the-deploy r-20261123-0936-4f2a
  rollback evidence diff evidence/bundle-1 --source cosmos-control/dynamic_config --json

\b
With one BUNDLE, the first reading of each source in it is held against the last. With two, the
last of each. Times, request ids and nonces are left out: every reading has its own. A source that
was not read whole is never called the same. What a redaction rule took out stands as a digest with
a key of the run, and a setting with a key of the process that read it (a resumed run has several):
under two keys they differ, also where the values are the same.

\b
Both are verified first; where one does not hold, they are compared all the same, and exit is 8.

\b
Exit 0 whether or not they differ; the answer is what is printed.
"""
)
@click.argument("bundle", metavar="BUNDLE")
@click.argument("other", metavar="[OTHER]", required=False)
@click.option("--source", metavar="NAME", help="Only this source, or those below it (cosmos).")
@options.as_json
@click.pass_obj
def diff(
    state: str | None, *, bundle: str, other: str | None, source: str | None, as_json: bool
) -> int:
    """Show what differs between two captures, source by source."""
    from rollback.evidence.compare import compare

    one, holds = _opened(bundle, state)
    two, also = (one, holds) if other is None else _opened(other, state)
    holds = holds and also
    before, after = _windows(one, source), _windows(two, source)
    if source is not None and not before and not after:
        known = sorted({window.source for window in one.manifest.windows} - {_WINDOWS})
        raise InputError(
            "diff.source", f"no source {source!r} was captured", hint=f"sources: {', '.join(known)}"
        )
    if other is None:
        before = before[::-1]  # of a source read more than once, the last counts: here the first
    found = compare(before, after, one.chunk_lines, two.chunk_lines)
    if as_json:
        output.result_pieces(_json(bundle, other or bundle, found, holds=holds))
        return int(ExitStatus.DONE if holds else ExitStatus.VERIFICATION)
    compared = differing = 0
    for each in found:
        _print(each)
        compared += 1
        differing += each.verdict != "same"
    output.talk(f"{compared} sources compared, {differing} not the same")
    return int(ExitStatus.DONE if holds else ExitStatus.VERIFICATION)


def _opened(given: str, state: str | None) -> tuple[Bundle, bool]:
    """The bundle, and whether it holds: chunks that two manifests name alike are not read again."""
    from rollback.evidence.read import Bundle
    from rollback.evidence.verify import verify_bundle

    folder = bundles.find(given, state)
    check = verify_bundle(folder)
    manifest, _ = bundles.manifest_of(folder)
    for problem in check.problems[:1]:
        output.talk(f"warning: {given} does not hold: {problem}")
    return Bundle(folder, manifest), check.holds


def _windows(bundle: Bundle, source: str | None) -> list[SourceWindow]:
    return [
        window
        for window in bundle.manifest.windows
        if window.source != _WINDOWS
        and (source is None or window.source == source or window.source.startswith(f"{source}/"))
    ]


def _print(each: SourceDifference) -> None:
    because = f" ({each.reason})" if each.reason else ""
    output.result(visible(f"{each.source}: {each.verdict}{because}"))
    for mark, lines in (("-", each.gone), ("+", each.new)):
        for line in islice(lines, LINES_MAX):
            output.result(f"  {mark} {clipped(_text(line), LINE_CHARS_MAX)}")
        if len(lines) > LINES_MAX:
            output.result(f"  {mark} and {len(lines) - LINES_MAX} more lines; --json has all")


def _json(
    before: str, after: str, found: Iterator[SourceDifference], *, holds: bool
) -> Iterator[str]:
    """One JSON document in pieces: it may hold every line of a capture."""
    yield f'{{\n  "before": {json.dumps(before)},\n  "after": {json.dumps(after)},\n'
    yield f'  "holds": {json.dumps(holds)},\n  "sources": ['
    for number, each in enumerate(found):
        told = {"source": each.source, "verdict": each.verdict, "reason": each.reason or None}
        yield ("," if number else "") + "\n    " + json.dumps(told)[:-1]
        for name, lines in (("gone", each.gone), ("new", each.new)):
            yield f', "{name}": ['
            for at, line in enumerate(lines):
                yield ("," if at else "") + "\n      " + json.dumps(_value(line))
            yield "]"
        yield "}"
    yield "\n  ]\n}\n"


def _value(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return _text(line)


def _text(line: bytes) -> str:
    return line.decode("utf-8", "backslashreplace")
