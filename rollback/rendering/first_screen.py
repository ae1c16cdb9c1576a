"""The first screen of a plan: all that a reviewer must not miss. Nothing on it is ever cut.

Order: all of it in four lines; the environment, its owner and identity, trigger and incident;
verdict (and, refused, why and what is still possible) and what changes; surfaces that are not
rolled back; what cannot be undone; who stays exposed; what is weak or unknown; halt authority; what
is proved; approvals; expiry. The title above it says the verdict too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.model.change import TRADING_HALTED, Update
from rollback.model.direction import Direction
from rollback.model.durations import spoken
from rollback.model.effect import FileWrite, HttpWrite, Purpose
from rollback.rendering.in_short import in_short
from rollback.rendering.predicates import predicate_words, proved
from rollback.rendering.risks import authority, exposed, irreversible, weak_and_unknown
from rollback.rendering.view import Line, Section, Weight, command, line, prose, strong
from rollback.rendering.where import where
from rollback.rendering.words import counted, moment

if TYPE_CHECKING:
    from rollback.model.effect import Effect
    from rollback.model.plan import Plan, PlannedStep

_SENT_MAX = 10
"""Requests that the first screen tells one by one."""


def first_screen(plan: Plan, digest: str, given: tuple[str, ...] = ()) -> tuple[Section, ...]:
    """The sections of the first screen. given: who has approved already, for a ticket."""
    sections = [
        Section("Where and why", tuple(where(plan))),
        Section("Verdict", (*_verdict(plan), *_changes(plan))),
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
        Section("Promises proved", tuple(proved(plan))),
        Section("Approval", tuple(_approval(plan, digest, given))),
    ]
    return (in_short(plan, sections), *sections)


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
        once = ", once approved" if plan.approvals.count else "; it needs no approval"
        return [line("{} as planned{}", strong("Applicable"), prose(once), label="result")]
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
                "the proof found a state in which this does not hold: {}; the trace stands under "
                "Proof in full",
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
    refused = plan.verdict == "refused"
    if not updates and refused:
        return []
    if not updates:
        return [line("nothing: the world is already as the playbook wants it", label="changes")]
    changes, size = ("would change", "would take") if refused else ("changes", "size")
    lines = [
        line(
            "{}: {} to {} by {}",
            summary.surface,
            summary.from_build or "(not known)",
            summary.to_build or "(not known)",
            prose(summary.way),
            label=changes,
        )
        for summary in plan.surfaces
    ]
    effects = [effect for _, change in updates for effect in change.effects]
    requests = sum(isinstance(effect, HttpWrite) for effect in effects)
    files = [effect for effect in effects if isinstance(effect, FileWrite)]
    folders = len({effect.path for effect in files})
    kinds = " and ".join(sorted({_KEPT[effect.purpose] for effect in files}))
    moving = sum(1 for _, change in updates if change.moves_users)
    parts = (
        f"{counted(requests, 'permitted request')} to other systems"
        if requests
        else "nothing is sent to other systems",
        f"{kinds} in {counted(folders, 'folder')} of this machine" if folders else "",
        f"{counted(moving, 'change moves', 'changes move')} users" if moving else "nobody is moved",
        f"at most {spoken(plan.duration_s_max)}{_unless_again(effects)}",
    )
    lines += _sent(plan, "would send" if refused else "sends")
    lines.append(line("; ".join(part for part in parts if part), label=size))
    return lines


def _unless_again(effects: list[Effect]) -> str:
    """What the longest duration leaves out."""
    again = any(effect.returns_max for effect in effects if effect.purpose is Purpose.CHANGE)
    return ", unless something has to be sent again" if again else ""


_KEPT = {Purpose.EVIDENCE: "evidence", Purpose.HOLD: "holds"}
"""What files of this machine are for."""


def _sent(plan: Plan, label: str) -> list[Line]:
    """Every request to another system, in order, in a line each; the exact ones are further down.

    A message says itself what it is for, a change says it of the others.
    """
    requests = [
        (effect, effect.says or change.summary)
        for _, change in plan.updates
        for effect in change.effects
        if isinstance(effect, HttpWrite)
    ]
    lines = [
        line(
            "{}: {} {}{}",
            prose(said),
            prose(effect.method),
            effect.host,
            prose("" if effect.times_max == 1 else f", at most {effect.times_max:,} times"),
            label=label,
        )
        for effect, said in requests[:_SENT_MAX]
    ]
    if len(requests) > _SENT_MAX:
        more = counted(len(requests) - _SENT_MAX, "request")
        lines.append(line(f"and {more} more; each stands under its step", label=label))
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


def _approval(plan: Plan, digest: str, given: tuple[str, ...]) -> list[Line]:
    needed = plan.approvals
    if plan.verdict == "refused":
        said = "none: a refused plan is not signed; what is still possible waits for nobody"
    elif needed.count == 0:
        said = "none: nothing here moves away from safety"
    else:
        said = (
            f"{counted(needed.count, 'person', 'people')} must sign before the first move away "
            "from safety; moves toward safety wait for nobody"
        )
    signed = needed.count > 0 and plan.verdict != "refused"
    lines = [line(said, label="needed")]
    if signed:
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
    if TRADING_HALTED in needed.words:
        lines.append(
            line(
                "a named person must attest in words, while applying, that trading is halted: {}",
                command(f"--attest {TRADING_HALTED}='NAME: WORDS'"),
                label="also needed",
                weight=Weight.UNKNOWN,
            )
        )
    lines += [line("{}", who, label="given") for who in given]
    if signed:
        if not given:
            lines.append(line("none yet", label="given"))
        lines.append(line("{}", command("rollback approve PLAN --key KEY"), label="sign by"))
    life = max(0, int((plan.expires - plan.created).total_seconds()))
    lines += [
        line("{}, {} after planning", moment(plan.expires), prose(spoken(life)), label="expires"),
        line("{}", digest, label="digest"),
    ]
    return lines
