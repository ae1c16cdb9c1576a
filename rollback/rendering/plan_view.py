"""The whole plan as a view: first screen, surfaces, steps, findings, observations, proof."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, assert_never

from rollback.model.change import NoOp, RefusedChange, Update
from rollback.model.direction import Direction
from rollback.model.durations import spoken
from rollback.rendering.effects import effect_lines
from rollback.rendering.failure import if_it_fails
from rollback.rendering.first_screen import first_screen
from rollback.rendering.overview import READS, overview
from rollback.rendering.risks import TRADING_NOW, authority_before
from rollback.rendering.view import (
    Cut,
    Line,
    Section,
    Table,
    View,
    Weight,
    command,
    line,
    prose,
    spans,
)
from rollback.rendering.words import NOT_SAID, changed, counted, moment, shown

if TYPE_CHECKING:
    from rollback.model.plan import Plan, PlannedStep

_NUMBER = re.compile(r"^\d+\. ")
_DIRECTIONS = {
    Direction.TOWARD: "toward safety",
    Direction.AWAY: "away from safety",
    Direction.NEITHER: "nobody: neither toward nor away from safety",
}


def plan_view(plan: Plan, digest: str, given: tuple[str, ...] = ()) -> View:
    """The view of a plan. Pure: the same plan gives the same view."""
    lead = first_screen(plan, digest, given)
    sections = [*lead, Section("Surfaces", tuple(_surfaces(plan))), overview(plan)]
    sections += [_step(plan, index, step) for index, step in enumerate(plan.steps, start=1)]
    if plan.upkeep:
        sections.append(Section("Writes of the run itself", tuple(_upkeep(plan))))
    sections += [
        Section("If something goes wrong", tuple(_trouble(plan))),
        Section("Notes", tuple(_notes(plan))),
        Section("Observations", tuple(_observations(plan))),
        Section("Proof in full", tuple(_proof(plan))),
        Section("Identity", tuple(_identity(plan, digest))),
    ]
    lost = authority_before(plan)
    verdict = plan.verdict.upper()
    if lost and plan.verdict == "applicable":
        verdict = f"{verdict}, BUT HALT AUTHORITY IS {lost[0].upper()} NOW"
    return View(
        kind="Rollback plan",
        verdict=verdict,
        good=plan.verdict == "applicable",
        title=spans("{} in {}", plan.playbook, plan.environment),
        sections=tuple(sections),
        lead=len(lead),
        first=lost[1] if lost else (),
        warned=_warned(lead),
    )


def _warned(lead: tuple[Section, ...]) -> bool:
    """Whether a line of the first screen speaks against the plan."""
    against = {Weight.FORBIDDEN, Weight.UNKNOWN, Weight.WEAK}
    return any(
        isinstance(item, Line) and item.weight in against
        for section in lead
        for item in section.items
    )


def _surfaces(plan: Plan) -> list[Line | Table]:
    if not plan.surfaces:
        return [line("no surface changes its release")]
    rows = tuple(
        (
            spans("{}", summary.surface),
            spans("{}", summary.from_build or "(not known)"),
            spans("{}", summary.to_build or "(not known)"),
            spans("{}", prose(summary.way)),
            spans("{}", prose(summary.identified_by)),
        )
        for summary in plan.surfaces
    )
    return [Table(("surface", "from", "to", "way", "identified by"), rows)]


def _step(plan: Plan, index: int, step: PlannedStep) -> Section:
    about = [f"moves {_DIRECTIONS[step.direction]}"]
    if step.implied:
        about.append("added by the planner")
    if step.duration_s_max:
        about.append(f"at most {spoken(step.duration_s_max)}")
    lines = [line("{}", prose("; ".join(about)), label="direction", cut=Cut.WRITES)]
    if step.after:
        lines.append(line("{}", step.after, label="after", cut=Cut.DETAILS))
    for change in step.changes:
        match change:
            case NoOp():
                lines.append(
                    line(
                        "{}: {}",
                        change.resource,
                        prose(change.reason),
                        label="reads" if step.action in READS else "nothing to do",
                        cut=Cut.NO_OPS,
                    )
                )
            case RefusedChange():
                lines += _refused(change)
            case Update():
                lines += _update(change)
            case _:
                assert_never(change)
    if not step.changes:
        lines.append(line("reads only, and proves what it reads", label="writes", cut=Cut.NO_OPS))
    lines += if_it_fails(plan, index, step)
    subject = spans(
        "{}: {}{}", step.name, step.action, prose(f" of {step.surface}" if step.surface else "")
    )
    return Section(f"Step {index}", tuple(lines), under=True, subject=subject)


def _refused(change: RefusedChange) -> list[Line]:
    by = f"; promise {change.promise}" if change.promise else ""
    lines = [
        line(
            "{}: {}{}",
            change.resource,
            prose(change.reason),
            prose(f" [{change.code}{by}]"),
            label="refused",
            weight=Weight.FORBIDDEN,
        )
    ]
    if change.next_move:
        lines.append(
            line("{}", prose(change.next_move), label="next move", weight=Weight.FORBIDDEN, depth=1)
        )
    return lines


def _update(change: Update) -> list[Line]:
    users = f"; moves users to {change.to_build}" if change.moves_users and change.to_build else ""
    starts = f"; starts instances of {change.starts_build}" if change.starts_build else ""
    lines = [
        line(
            "{}: {}{}",
            change.resource,
            prose(change.summary),
            prose(users + starts),
            label="change",
            cut=Cut.WRITES,
        )
    ]
    lines += [
        line("{}: {}", name, new, depth=1, cut=Cut.DETAILS)
        if old == NOT_SAID
        else line("{}: {} -> {}", name, old, new, depth=1, cut=Cut.DETAILS)
        for name, old, new in changed(change.before, change.after)
    ]
    for effect in change.effects:
        lines += effect_lines(effect)
    if not change.absolute:
        lines.append(
            line(
                "a toggle: never sent blindly again; a lost answer is resolved by looking",
                depth=1,
                cut=Cut.DETAILS,
            )
        )
    if change.settle_s_max:
        looked = f"looked for up to {spoken(change.settle_s_max)}, every {spoken(change.poll_s)}"
        lines.append(line(looked, label="settles", depth=1, cut=Cut.DETAILS))
    if change.volatile:
        lines.append(line("{}", change.volatile, label="captured first", depth=1, cut=Cut.DETAILS))
    return lines


def _upkeep(plan: Plan) -> list[Line]:
    lines = []
    for effect in plan.upkeep:
        head, *rest = effect_lines(effect)
        lines.append(Line(head.spans, label=effect.purpose.value, cut=Cut.WRITES))
        lines += [
            Line(each.spans, f"{effect.purpose.value} {each.label}", each.weight, each.cut)
            for each in rest
        ]
    return lines


def _trouble(plan: Plan) -> list[Line]:
    lines = [
        line(
            "a step fails: its line says what then happens; {} says where the run stands",
            command("rollback status RUN"),
        ),
        line(
            "{} continues an interrupted run; nothing that took effect is sent again",
            command("rollback resume RUN"),
        ),
        line(
            "{} makes a plan that takes back what a run changed",
            command("rollback undo RUN --out PLAN"),
        ),
        line(
            "{} applies only what moves toward safety, and needs nobody",
            command("rollback apply PLAN --only-safe"),
        ),
        line("a write whose outcome is not known is looked for, never sent blindly again"),
    ]
    lines.append(line("ask {}, {}", plan.owner, plan.contact))
    return lines


def _notes(plan: Plan) -> list[Line]:
    lines = []
    for finding in plan.findings:
        if finding.weight == "note" and finding.code not in TRADING_NOW:
            about = " ".join(part for part in (finding.step, finding.surface) if part)
            lines.append(
                line(
                    "{}{}",
                    prose(finding.text),
                    prose(f" ({about})" if about else ""),
                    cut=Cut.NOTES,
                )
            )
    return lines or [line("none", cut=Cut.NOTES)]


def _observations(plan: Plan) -> list[Line]:
    lines = []
    for seen in plan.observations:
        lines.append(
            line(
                "{} at {}{}",
                seen.resource,
                prose(moment(seen.at)),
                prose(f", from {seen.where}" if seen.where else ""),
                cut=Cut.OBSERVED,
            )
        )
        lines += [
            line("{} = {}", fact.name, shown(fact.value), depth=1, cut=Cut.OBSERVED)
            for fact in seen.compared
        ]
        lines += [
            line("{} = {} (context)", fact.name, shown(fact.value), depth=1, cut=Cut.CONTEXT)
            for fact in seen.context
        ]
    return lines or [line("none", cut=Cut.OBSERVED)]


def _proof(plan: Plan) -> list[Line]:
    proof = plan.proof
    lines = [
        line(
            f"model version {proof.model_version}; {counted(proof.states, 'state')}, "
            f"{counted(proof.transitions, 'transition')}",
            cut=Cut.PROOF,
        )
    ]
    lines += [
        line("{}", prose(predicate), label="holds" if proof.holds else "asked", cut=Cut.PROOF)
        for predicate in proof.predicates
    ]
    lines += [
        line("{} {}", fact.name, shown(fact.value), label="bound", cut=Cut.PROOF)
        for fact in proof.bounds
    ]
    if not proof.holds:
        lines.append(
            line("{}", proof.broken or "(not named)", label="broken", weight=Weight.FORBIDDEN)
        )
    lines += [
        line("{}", prose(_NUMBER.sub("", each)), number=index, weight=Weight.FORBIDDEN)
        for index, each in enumerate(proof.counterexample, start=1)
    ]
    return lines


def _identity(plan: Plan, digest: str) -> list[Line]:
    return [
        line("{}", digest, label="plan"),
        line("{}", plan.world_digest, label="world"),
        line("{}", plan.playbook_digest, label="playbook"),
        line("{}", plan.environment_digest, label="environment"),
        line("{}", plan.nonce, label="nonce"),
        line(
            "format {}, made by version {}",
            prose(str(plan.format)),
            plan.tool_version,
            label="document",
        ),
    ]
