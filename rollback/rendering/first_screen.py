"""The first screen of a plan: all that a reviewer must not miss. Nothing on it is ever cut.

Order: verdict (and, refused, why and what is still possible); what changes; the environment, its
owner and identity; trigger and incident; surfaces that are not rolled back; what cannot be undone;
who stays exposed; what is weak or unknown; halt authority; what is proved; approvals; expiry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.model.change import Update
from rollback.model.direction import Direction
from rollback.rendering.predicates import predicate_words
from rollback.rendering.risks import authority, exposed, irreversible, weak_and_unknown
from rollback.rendering.view import Line, Section, Weight, command, line, prose, strong
from rollback.rendering.words import counted, moment, shown, spoken

if TYPE_CHECKING:
    from rollback.model.plan import Plan, PlannedStep


def first_screen(plan: Plan, digest: str, given: tuple[str, ...] = ()) -> tuple[Section, ...]:
    """The sections of the first screen. given: who has approved already, for a ticket."""
    sections = [
        Section("Verdict", (*_verdict(plan), *_changes(plan))),
        Section("Where", tuple(_where(plan))),
    ]
    if plan.not_rolled_back:
        sections.append(Section("Not rolled back by this plan", tuple(_not_rolled_back(plan))))
    sections += [
        Section("What cannot be undone", tuple(irreversible(plan))),
        Section("Who stays exposed", tuple(exposed(plan))),
    ]
    if open_questions := tuple(weak_and_unknown(plan)):
        sections.append(Section("Weak, unknown or forbidden", open_questions))
    sections += [
        Section("Authority to halt trading", tuple(authority(plan))),
        Section("Proof", tuple(_proved(plan))),
        Section("Approval", tuple(_approval(plan, digest, given))),
    ]
    return tuple(sections)


def safe_steps(plan: Plan) -> tuple[PlannedStep, ...]:
    """Steps that a refused plan can still give: moves toward safety, and captures."""
    return tuple(
        step
        for step in plan.steps
        if not step.refused
        and step.direction is not Direction.AWAY
        and any(isinstance(change, Update) for change in step.changes)
    )


def _verdict(plan: Plan) -> list[Line]:
    if plan.verdict == "applicable":
        return [line("{} as planned, once approved", strong("Applicable"), label="result")]
    lines = [
        line(
            "{}: this plan does not move users",
            strong("Refused"),
            label="result",
            weight=Weight.FORBIDDEN,
        )
    ]
    for step in plan.steps:
        for change in step.refused:
            by = f" (promise {change.promise})" if change.promise else ""
            lines.append(
                line(
                    "step {}, {}: {}{}",
                    step.name,
                    change.resource,
                    prose(change.reason),
                    prose(f" [{change.code}]{by}"),
                    label="why",
                    weight=Weight.FORBIDDEN,
                )
            )
            if change.next_move:
                lines.append(
                    line("{}", prose(change.next_move), label="next move", weight=Weight.FORBIDDEN)
                )
    if not plan.proof.holds:
        lines.append(
            line(
                "the proof found a state that breaks {}; the trace stands under Proof",
                prose(predicate_words(plan.proof.broken) or "(not named)"),
                label="why",
                weight=Weight.FORBIDDEN,
            )
        )
    safe = safe_steps(plan)
    if safe:
        for step in safe:
            toward = step.direction is Direction.TOWARD
            lines.append(
                line(
                    "{}: {}",
                    step.name,
                    prose("moves toward safety" if toward else "captures or tells, moves nobody"),
                    label="still possible",
                )
            )
        lines.append(line("{}", command("rollback apply PLAN --only-safe"), label="by"))
    else:
        lines.append(line("nothing: no step moves toward safety", label="still possible"))
    return lines


def _changes(plan: Plan) -> list[Line]:
    updates = plan.updates
    if not updates:
        return [line("nothing: the world is already as the playbook wants it", label="changes")]
    lines = [
        line(
            "{}: {} to {} by {}",
            summary.surface,
            summary.from_build or "(not known)",
            summary.to_build or "(not known)",
            prose(summary.way),
            label="changes",
        )
        for summary in plan.surfaces
    ]
    writes = sum(len(change.effects) for _, change in updates)
    moving = sum(1 for _, change in updates if change.moves_users)
    lines.append(
        line(
            f"{counted(writes, 'permitted write')} in {counted(len(updates), 'change')}, "
            f"{moving} of them moving users; at most {spoken(plan.duration_s_max)}",
            label="size",
        )
    )
    return lines


def _given(label: str, value: str | None) -> Line:
    return line("none given", label=label) if value is None else line("{}", value, label=label)


def _where(plan: Plan) -> list[Line]:
    lines = [
        line("{} ({})", plan.environment, plan.environment_kind, label="environment"),
        line("{}, {}", plan.owner, plan.contact, label="owner"),
    ]
    lines += [line("{}: {}", fact.name, shown(fact.value), label="target") for fact in plan.target]
    lines += [
        _given("incident", plan.incident),
        _given("trigger", plan.trigger),
        line("{}: {}", plan.playbook, prose(plan.summary), label="playbook"),
    ]
    if plan.undo_of is not None:
        lines.append(line("takes back what run {} changed", plan.undo_of, label="undo"))
    lines += [
        line("{} = {}", fact.name, shown(fact.value), label="parameter") for fact in plan.parameters
    ]
    lines.append(line("by {} at {}", plan.planned_by, moment(plan.created), label="planned"))
    return lines


def _not_rolled_back(plan: Plan) -> list[Line]:
    return [
        line(
            "{}: a person must act: {}",
            entry.surface,
            prose(entry.human_step),
            weight=Weight.EXPOSURE,
        )
        for entry in plan.not_rolled_back
    ]


def _proved(plan: Plan) -> list[Line]:
    proof = plan.proof
    bounds = ", ".join(f"{fact.name} {shown(fact.value)}" for fact in proof.bounds)
    within = f", within these bounds: {bounds}" if bounds else ""
    if not proof.holds:
        return [
            line(
                "{}: this does not hold: {}; {} explored{}",
                strong("Broken"),
                prose(predicate_words(proof.broken) or "(not named)"),
                prose(counted(proof.states, "state")),
                prose(within),
                weight=Weight.FORBIDDEN,
            )
        ]
    lines = [
        line(
            "holds in {} that the plan can reach, crashes and lost answers included{}",
            prose(counted(proof.states, "state")),
            prose(within),
            weight=Weight.GOOD,
        )
    ]
    lines += [
        line("{}", prose(predicate_words(predicate)), depth=1) for predicate in proof.predicates
    ]
    return lines


def _approval(plan: Plan, digest: str, given: tuple[str, ...]) -> list[Line]:
    needed = plan.approvals
    people = (
        line("none for moves toward safety; nothing here moves away from it", label="needed")
        if needed.count == 0
        else line(
            f"{counted(needed.count, 'person', 'people')} must sign before the first move away "
            "from safety; moves toward safety wait for nobody",
            label="needed",
        )
    )
    lines = [people]
    lines += [line("{}", prose(reason), label="because") for reason in needed.reasons]
    if needed.attestation:
        lines.append(
            line(
                "a named person must attest in words, while applying, that trading is halted "
                "outside the platform (at the venue or broker)",
                label="also needed",
                weight=Weight.UNKNOWN,
            )
        )
    lines += [line("{}", who, label="given") for who in given] or [line("none yet", label="given")]
    life = max(0, int((plan.expires - plan.created).total_seconds()))
    lines += [
        line("{}, {} after planning", moment(plan.expires), prose(spoken(life)), label="expires"),
        line("{}", digest, label="digest"),
    ]
    return lines
