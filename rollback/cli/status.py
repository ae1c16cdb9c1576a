"""``rollback status``: runs, from their journals alone."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal

import click

from rollback.cli import options, output
from rollback.errors import ExitStatus, InputError, JournalBroken

if TYPE_CHECKING:
    from rollback.running.store import RunDirectory, StateDirectory


@click.command(
    epilog="""\b
Examples:
  rollback status
  rollback status latest
  rollback status r-20261123-0936-4f2a --format html > report.html
"""
)
@click.argument("run", metavar="[RUN]", required=False)
@click.option(
    "--format",
    "face",
    type=click.Choice(("text", "markdown", "html")),
    default="text",
    show_default=True,
    help="Face of one run's report.",
)
@options.as_json
@click.option(
    "--max-chars", type=click.IntRange(min=1), help="Cut the report to this many characters."
)
@click.pass_obj
def status(
    state: str | None,
    *,
    run: str | None,
    face: Literal["text", "markdown", "html"],
    as_json: bool,
    max_chars: int | None,
) -> int:
    """List runs on this machine, or report RUN. Reads journals; starts and contacts nothing."""
    runs = options.runs_of(state)
    if run is not None:
        return _one(runs, runs.find(run), face, max_chars, as_json=as_json)
    listed = [_read(runs, each) for each in runs.runs()]
    if as_json:
        output.result_json(listed)
        return 0
    from rollback.rendering.escape import visible

    for each in listed:
        output.result(f"{each['run']}  {visible(str(each['said']))}")
    if not listed:
        there = "" if runs.root.is_dir() else ", which does not exist yet"
        output.talk(f"no runs under {runs.root}{there}")
    return 0


def _read(runs: StateDirectory, run: RunDirectory) -> dict[str, Any]:
    from rollback.rendering.report import ending
    from rollback.wiring.run_result import not_begun, read_status

    try:
        known = read_status(run) if run.journal_path.exists() else None
    except JournalBroken as error:
        return {"run": run.run, "problem": error.reason, "said": f"journal: {error.reason}"}
    if known is not None and known.problem and not known.opened:
        bad = f"the journal does not verify ({known.problem})"
        return {"run": run.run, "problem": known.problem, "records": known.records, "said": bad}
    if known is None or not known.opened:
        problem = not_begun(runs, run)
        return {"run": run.run, "problem": problem.reason, "said": problem.reason}
    doubt = f"; in doubt: {', '.join(known.in_doubt)}" if known.in_doubt else ""
    glass = f"break-glass: {known.break_glass}: " if known.break_glass else ""
    bad = f"the journal does not verify ({known.problem}); before that: " if known.problem else ""
    fields = asdict(known)
    fields["exit_status"] = fields.pop("exit")
    fields["steps"] = [
        {"step": name, "status": status, "reason": reason} for name, status, reason in known.steps
    ]
    return {
        **fields,
        "said": f"{bad}{glass}{known.playbook} in {known.environment}: {ending(known.exit)}{doubt}",
    }


def _one(
    runs: StateDirectory,
    run: RunDirectory,
    face: Literal["text", "markdown", "html"],
    max_chars: int | None,
    *,
    as_json: bool,
) -> int:
    if as_json:
        told = _read(runs, run)
        output.result_json(told)
        return ExitStatus.EVIDENCE.value if "records" in told and told["problem"] else 0
    from rollback.rendering.faces import CHARS_MAX, render_report
    from rollback.running.journal import check_file
    from rollback.running.journal_errors import damaged, halts
    from rollback.wiring import PlanDocument
    from rollback.wiring.run_result import not_begun
    from rollback.wiring.whole_run import refuse_other_plan

    try:
        document = PlanDocument.read(run.plan())
    except InputError:
        output.result_spaced(str(_read(runs, run)["said"]))
        raise
    if not run.journal_path.exists():
        raise not_begun(runs, run)
    check = check_file(run.journal_path)
    if check.holds and not check.records:
        raise not_begun(runs, run)
    refuse_other_plan(run, document, check.records)
    output.result(
        render_report(
            document.plan,
            document.digest,
            check.records,
            face,
            max_chars=max_chars or (CHARS_MAX if face == "markdown" else None),
            colour=output.coloured(sys.stdout),
            width=output.columns(),
        )
    )
    if not check.holds:
        hint = (
            f"{halts(run.journal_path)}; keep the run's folder as it is; what is told here stands "
            "before that line"
        )
        raise damaged(run.journal_path, check, hint)
    if check.remark:
        output.talk(f"note: {check.remark}")
    return 0
