"""``rollback diff``: what changed between two plans, in a reviewer's terms."""

from __future__ import annotations

from pathlib import Path

import click

from rollback.cli import options, output
from rollback.cli.judging import judge
from rollback.cli.plan_files import load_plan
from rollback.errors import ExitStatus


@click.command(
    epilog="""\b
Example:
  rollback diff signed.json new.json
"""
)
@click.argument("old", metavar="PLAN")
@click.argument("new", metavar="PLAN")
@options.environment_file
@options.as_json
@click.pass_obj
def diff(state: str | None, *, old: str, new: str, environment: str | None, as_json: bool) -> int:
    """Show what stands in one plan and not in the other, section by section.

    Times, digests and nonces differ in any two plans and are left out. Exit 0 either way, and 3
    where one of them was edited: its bytes, or, where the environment file is found here, a line
    that does not follow when it is planned again from its own observations.
    """
    from rollback.model.base import rfc3339
    from rollback.rendering.difference import difference
    from rollback.rendering.escape import visible

    before = load_plan(old)
    after = load_plan(new)
    judged = [
        judge(before, environment, state, Path(old)),
        judge(after, environment, state, Path(new)),
    ]
    status = ExitStatus.REFUSED if any(one.edited for one in judged) else ExitStatus.DONE
    same_world = before.plan.world_digest == after.plan.world_digest
    changes = difference(before.plan, after.plan)
    if as_json:
        output.result_json(
            {
                "same_world": same_world,
                "problems": [
                    {"plan": file, "code": one.problem.code, "reason": one.problem.reason}
                    for file, one in zip((old, new), judged, strict=True)
                    if one.problem is not None
                ],
                "changes": [
                    {"section": each.section, "sign": each.sign, "text": each.text}
                    for each in changes
                ],
            }
        )
        return status.value
    for file, one in zip((old, new), judged, strict=True):
        one.say(f"the plan in {file}")
    for sign, document in (("-", before), ("+", after)):
        plan = document.plan
        made = f"{plan.playbook} in {plan.environment}, planned at {rfc3339(plan.created)}"
        output.result(visible(f"{sign} {made}, {document.digest}"))
    section = ""
    for each in changes:
        if each.section != section:
            section = each.section
            output.result(f"\n{section}")
        output.result(f"  {each.sign} {each.text}")
    if not changes:
        output.result("the two plans would do the same")
    output.talk("both saw the same world" if same_world else "they saw different worlds")
    return status.value
