"""``rollback evidence show``: what a bundle says happened, as a timeline."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import click

from rollback.cli import bundles, options, output
from rollback.errors import ExitStatus, InputError
from rollback.rendering.escape import clipped, visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rollback.evidence.read import Bundle
    from rollback.model.record import Record
    from rollback.rendering.timeline import Entry

_NO_SURFACES = ("authority", "cosmos", "cosmos-control", "answers", "files", "commands")
"""What the first part of a source may be besides a surface."""

LINE_CHARS_MAX = 400
"""Characters of one line of evidence that are shown; --json has all of it."""


@click.command(
    epilog="""\b
Examples:
  rollback evidence show r-20261123-0936-4f2a
  rollback evidence show evidence/bundle-1 --step revert/web
  rollback evidence show evidence/bundle-1 --request-id r-20261123-0936-4f2a.capture.1.11
  rollback evidence show evidence/bundle-1 --surface backend --requests --json

\b
With --request-id the lines of evidence that hold the id are shown too, whichever field it is in,
also in the middle of a text: so a request of a user, taken from a support case, is found in the
audit log and in the workers' logs that were captured. A request of ours is followed further: what
came of it, and what the service wrote of it under its own id (Azure's correlation id, in the
activity log), which can be given instead.

\b
The bundle is verified first; where it does not hold, it is shown all the same, and exit is 8.
"""
)
@click.argument("bundle", metavar="BUNDLE")
@click.option("--request-id", metavar="ID", help="Only this x-request-id, or id of the service.")
@click.option("--surface", metavar="NAME", help="Only what is about this surface, like backend.")
@click.option("--step", metavar="NAME", help="Only what this step did.")
@click.option("--requests", is_flag=True, help="Every request too, not only what it came to.")
@options.as_json
@click.pass_obj
def show(
    state: str | None,
    *,
    bundle: str,
    request_id: str | None,
    surface: str | None,
    step: str | None,
    requests: bool,
    as_json: bool,
) -> int:
    """Show BUNDLE's timeline, from its journal and its evidence."""
    from rollback.evidence.read import Bundle
    from rollback.evidence.verify import verify_bundle
    from rollback.rendering.timeline import followed

    folder = bundles.find(bundle, state)
    check = verify_bundle(folder)
    manifest, _ = bundles.manifest_of(folder)
    opened = Bundle(folder, manifest)
    records: Sequence[Record] = opened.records()
    found: list[tuple[str, str, Any]] = []
    if request_id is not None:
        records, ids = followed(records, request_id)
        found = _found(opened, ids)
    told = _told(
        opened,
        records,
        step=step,
        surface=surface,
        requests=requests or request_id is not None,
        grouped=request_id is None,
    )
    for problem in check.problems[:1]:
        output.talk(f"warning: this bundle does not hold: {problem}")
    if as_json:
        output.result_json(
            {
                "bundle": str(folder),
                "holds": check.holds,
                "entries": [_entry_json(one) for one in told],
                "evidence": [
                    {"source": source, "moment": moment, "line": line}
                    for source, moment, line in found
                ],
            }
        )
    else:
        _print(told, found)
    return int(ExitStatus.DONE if check.holds else ExitStatus.VERIFICATION)


def _told(
    bundle: Bundle,
    records: Sequence[Record],
    *,
    step: str | None,
    surface: str | None,
    requests: bool,
    grouped: bool,
) -> list[Entry]:
    from rollback.model.record import RecordKind
    from rollback.rendering.timeline import entries

    known = {record.text("step") for record in bundle.records()} - {""}
    if step is not None and step not in known:
        raise InputError(
            "show.step",
            f"no step {step!r} in this bundle",
            hint=f"steps: {', '.join(sorted(known))}",
        )
    told = entries(
        [one for one in records if requests or one.kind is not RecordKind.EXCHANGE],
        grouped=grouped,
    )
    hosts: tuple[str, ...] = ()
    if surface is not None:
        hosts = _hosts(bundle, surface, {name for one in told for name in one.names})
    return [
        one
        for one in told
        if (step is None or one.step == step) and (surface is None or one.about(surface, hosts))
    ]


def _hosts(bundle: Bundle, surface: str, named: set[str]) -> tuple[str, ...]:
    """Hosts of a surface, by the sites that the plan's own resources name."""
    by_hand = _by_hand(bundle.plan())
    if surface in by_hand:
        output.talk(f"{surface} was not rolled back by this plan; by people: {by_hand[surface]}")
    sources = {one.source.partition("/")[0] for one in bundle.manifest.windows if "/" in one.source}
    known = (sources & named) - set(_NO_SURFACES)
    if surface not in {*known, *by_hand, *named} or surface in _NO_SURFACES:
        raise InputError(
            "show.surface",
            f"nothing in this bundle is about a surface {surface!r}",
            hint=f"surfaces: {', '.join(sorted({*known, *by_hand})) or 'none'}",
        )
    return tuple(
        name for name in named if "." in name and surface in name.partition(".")[0].split("-")
    )


def _by_hand(plan: bytes) -> dict[str, str]:
    """Surfaces that the plan does not roll back, and what a person does instead."""
    try:
        left = json.loads(plan)["not_rolled_back"]
        return {str(one["surface"]): str(one["human_step"]) for one in left}
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}


def _found(bundle: Bundle, ids: frozenset[str]) -> list[tuple[str, str, Any]]:
    """(source, moment, line) of every line of evidence that holds an id, and not as part of one."""
    wanted = [(text.encode()[1:-1], _whole(text)) for text in map(_quoted, ids)]
    found: list[tuple[str, str, Any]] = []
    seen: set[bytes] = set()
    for window in bundle.manifest.windows:
        for line in bundle.lines(window):
            if line not in seen and any(one in line and it.search(line) for one, it in wanted):
                seen.add(line)
                found.append((window.source, window.moment, _value(line)))
    return found


def _quoted(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)


def _whole(text: str) -> re.Pattern[bytes]:
    """An id as a text, or in one: a line of a log, JSON in an answer. A number only as a text."""
    if text[1:-1].isdigit():
        return re.compile(re.escape(text).encode())
    begins, ends = rb"(?:(?<![\w.-])|(?<=\\[nrt]))", rb"(?![\w-]|\.\w)"
    return re.compile(begins + re.escape(text[1:-1]).encode() + ends)


def _value(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return line.decode("utf-8", "backslashreplace")


def _print(told: list[Entry], found: list[tuple[str, str, Any]]) -> None:
    from rollback.rendering.words import moment

    for one in told:
        ids = " ".join(filter(None, (one.request_id, one.provider_id)))
        request = f" [{ids}]" if ids else ""
        step = one.step or "run"
        output.result(visible(f"{moment(one.at)} {step}: {one.kind}: {one.text}{request}"))
    for source, taken, line in found:
        text = json.dumps(line, ensure_ascii=False, sort_keys=True)
        output.result(
            f"evidence {visible(source)} ({visible(taken)}): {clipped(text, LINE_CHARS_MAX)}"
        )
    if not told and not found:
        output.talk("nothing in this bundle fits")


def _entry_json(one: Entry) -> dict[str, Any]:
    from rollback.model.base import rfc3339

    return {
        "at": rfc3339(one.at),
        "kind": one.kind,
        "step": one.step or None,
        "request_id": one.request_id or None,
        "provider_id": one.provider_id or None,
        "text": one.text,
    }
