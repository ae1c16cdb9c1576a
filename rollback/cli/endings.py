"""How the end of a run is printed."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rollback.cli import output
from rollback.errors import InputError
from rollback.model.record import RecordKind
from rollback.running.journal import check_file

if TYPE_CHECKING:
    from rollback.model.record import Record
    from rollback.wiring import PlanDocument
    from rollback.wiring.run_result import RunResult


def print_ending(document: PlanDocument, result: RunResult, *, as_json: bool) -> int:
    """Print what happened, who is exposed and what comes next; return the exit status."""
    from rollback.rendering.faces import show
    from rollback.rendering.report import report_view

    records = check_file(Path(result.journal_path)).records
    _say_refusal(records)
    try:
        if as_json:
            output.result_json(_as_json(document, result, records))
            return result.exit_status
        view = report_view(
            document.plan,
            document.digest,
            records,
            next_moves=result.next_moves,
            bundle=result.bundle_path,
        )
        screen = replace(view, sections=view.sections[: view.lead])
        output.result(
            show(
                screen,
                "text",
                max_chars=None,
                colour=output.coloured(sys.stdout),
                width=output.columns(),
            )
        )
    except InputError as error:  # that nobody takes it changes nothing about what the run came to
        output.talk(f"error: {error.code}: {error.reason}")
        output.talk(f"hint: `rollback status {result.run}` says it again; the run is not affected")
    if result.bundle_sha256:
        output.talk(f"for the ticket: the evidence's manifest has sha256 {result.bundle_sha256}")
    output.talk(f"the whole report: rollback status {result.run} --format markdown")
    return result.exit_status


def _as_json(
    document: PlanDocument, result: RunResult, records: tuple[Record, ...]
) -> dict[str, object]:
    from rollback.planning.left_on import left_on
    from rollback.rendering.report import ending

    return {
        "run": result.run,
        "exit_status": result.exit_status,
        "verdict": ending(result.exit_status, left_on(document.plan, records)),
        "plan": document.digest,
        "steps": [
            {"step": name, "status": status, "reason": reason}
            for name, status, reason in result.steps
        ],
        "exposures": [each.model_dump(mode="json") for each in result.exposures],
        "next_moves": list(result.next_moves),
        "bundle": result.bundle_path or None,
        "bundle_sha256": result.bundle_sha256 or None,
        "journal": result.journal_path,
    }


def _say_refusal(records: tuple[Record, ...]) -> None:
    """What the guard stopped first, with the promise; the others are in the report."""
    first = next((one for one in records if one.kind is RecordKind.REFUSAL), None)
    if first is None:
        return
    reasons = first.get("reasons")
    why = "; ".join(map(str, reasons)) if isinstance(reasons, tuple) else ""
    where = f"{first.text('method')} {first.text('host')}{first.text('path')}"
    output.talk(f"error: guard.{first.text('rule')} [{first.text('promise')}]: {why} ({where})")
