"""What a reviewer must not miss: irreversible, exposed, weak, unknown, and halt authority."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.model.authority import Strength, Verdict
from rollback.model.durations import spoken
from rollback.rendering.view import Line, Weight, line, prose, strong
from rollback.rendering.words import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rollback.model.authority import AuthorityJudgement
    from rollback.model.plan import Exposure, Plan


TRADING_NOW = frozenset({"control.halted", "orders.open"})
"""Notes that stand with the halt authority, on the first screen."""


def irreversible(plan: Plan) -> list[Line]:
    """What cannot be taken back, each with why."""
    lines: dict[tuple[str, str, str], Line] = {}
    for step, change in plan.updates:
        for effect in change.effects:
            if not effect.undo.possible:
                lines.setdefault(
                    (step.name, change.id, effect.undo.by),
                    line(
                        "step {}, {}: {}{}",
                        step.name,
                        change.resource,
                        prose(effect.says or change.summary),
                        prose(f" ({effect.undo.by})" if effect.undo.by else ""),
                        weight=Weight.IRREVERSIBLE,
                    ),
                )
    for effect in plan.upkeep:
        if not effect.undo.possible:
            lines.setdefault(
                ("", effect.says, effect.undo.by),
                line(
                    "{}: {}",
                    prose(effect.says or f"{effect.purpose.value} of the run"),
                    prose(effect.undo.by),
                    weight=Weight.IRREVERSIBLE,
                ),
            )
    found = [
        line("{}", prose(finding.text), weight=Weight.IRREVERSIBLE)
        for finding in plan.findings
        if finding.weight == "irreversible"
    ]
    moved = sorted({change.surface or "" for _, change in plan.updates if change.moves_users})
    stays = (
        [
            line(
                "moving users of {} can be taken back, by a new plan; what they do in between, and "
                "the sockets that the move cuts, cannot",
                tuple(moved),
            )
        ]
        if moved
        else []
    )
    none = [] if moved or lines or found else [line("nothing: every write can be taken back")]
    return [*lines.values(), *found, *stays, *none]


def exposed(plan: Plan, left: Sequence[Exposure] = ()) -> list[Line]:
    """Who stays exposed after the plan, with numbers and times. left: users a run did not move."""
    lines = [line("{}: {}", one.surface, prose(one.who), weight=Weight.FORBIDDEN) for one in left]
    for exposure in plan.exposures:
        count = "number not known" if exposure.count is None else f"{exposure.count:,}"
        until = (
            "no end known" if exposure.until_s is None else f"at most {spoken(exposure.until_s)}"
        )
        lines.append(
            line(
                "{}: {}: {}",
                exposure.surface,
                prose(exposure.who),
                prose(f"{count}; {until}"),
                weight=Weight.EXPOSURE,
            )
        )
    lines += [
        line("{}", prose(finding.text), weight=Weight.EXPOSURE)
        for finding in plan.findings
        if finding.weight == "exposure"
    ]
    return lines or [line("nobody that is known")]


def weak_and_unknown(plan: Plan) -> list[Line]:
    """Findings that are forbidden, unknown or weak, and what could not be read."""
    lines = [
        line(
            "{}",
            prose(finding.text),
            weight=Weight(finding.weight),
        )
        for weight in ("forbidden", "unknown", "weak")
        for finding in plan.findings
        if finding.weight == weight
    ]
    lines += [
        line("{}: {}", seen.resource, prose(gap), label="not read", weight=Weight.UNKNOWN)
        for seen in plan.observations
        for gap in seen.gaps
    ]
    return lines


def authority(plan: Plan) -> list[Line]:
    """What the probes said of the authority to halt trading, and how old it was."""
    lines = []
    for judged in plan.authority:
        weight = _authority_weight(judged)
        age = max(0, int((plan.created - judged.at).total_seconds()))
        lines.append(
            line(
                "{}{}: {}, {} proof, {} old when planned; {} serving {}; scopes {}",
                judged.slot,
                prose(_whose(judged, plan)),
                strong(judged.verdict.value),
                prose(judged.strength.value),
                prose(spoken(age)),
                prose(counted(judged.instances, "instance")),
                judged.builds,
                judged.scopes,
                weight=weight,
            )
        )
        if weight is not Weight.GOOD:  # retained, and the line above says by how many
            lines += [
                line("{}", prose(reason), depth=1, weight=weight) for reason in judged.reasons
            ]
        if judged.control_schema is not None:
            live, lowest, highest = judged.control_schema
            lines.append(
                line(
                    "live control documents have schema version {}; these builds read {} to {}",
                    prose(str(live)),
                    prose(str(lowest)),
                    prose(str(highest)),
                    depth=1,
                    weight=Weight.PLAIN if lowest <= live <= highest else Weight.FORBIDDEN,
                )
            )
    if plan.authority:
        return [*lines, *trading_now(plan)]
    if any(change.moves_users for _, change in plan.updates):
        return [line("not read: nothing here proves it", weight=Weight.UNKNOWN)]
    return [line("not read: this plan moves no users")]


def trading_now(plan: Plan) -> list[Line]:
    """Whether trading is halted, by whom, and which orders are open: as seen when planned."""
    halted = next(
        (
            fact.value
            for seen in plan.observations
            if seen.resource == "control/trading" and not seen.gaps
            for fact in seen.context
            if fact.name == "halted"
        ),
        None,
    )
    said = [finding.text for finding in plan.findings if finding.code in TRADING_NOW]
    lines = [line("not halted", label="trading now")] if halted == () else []
    return lines + [line("{}", prose(text), label="trading now") for text in said]


def authority_before(plan: Plan) -> tuple[str, tuple[Line, ...]] | None:
    """Where users are moved and authority is not retained where they are: the verdict, and a line.

    Said before everything else (promise halt-authority-retained): a bad release may have broken it.
    """
    if not any(change.moves_users for _, change in plan.updates):
        return None
    now = [one for one in plan.authority if _is_production(one)]
    if now and all(one.verdict is Verdict.RETAINED for one in now):
        return None
    verdict = next((one.verdict.value for one in now if one.verdict is not Verdict.RETAINED), "")
    verdict = verdict or Verdict.UNKNOWN.value
    reasons = "; ".join(reason for one in now for reason in one.reasons) or "nobody read it"
    said = line(
        "authority to halt trading is {} on what users are on now: {}. Moving them to a release "
        "that proves it is the way back; until then, halt trading at the venue or broker",
        strong(verdict),
        prose(reasons),
        weight=Weight.FORBIDDEN if verdict == Verdict.LOST.value else Weight.UNKNOWN,
    )
    return verdict, (said,)


def _is_production(judged: AuthorityJudgement) -> bool:
    return judged.slot.rpartition("/")[2] == "production"


def _whose(judged: AuthorityJudgement, plan: Plan) -> str:
    """What a slot is to users."""
    if _is_production(judged):
        return " (what users are on now)"
    wanted = {change.to_build for _, change in plan.updates if change.moves_users}
    return " (what users are moved to)" if wanted & set(judged.builds) else ""


def _authority_weight(judged: AuthorityJudgement) -> Weight:
    if judged.verdict is Verdict.LOST:
        return Weight.FORBIDDEN
    if judged.verdict is Verdict.UNKNOWN:
        return Weight.UNKNOWN
    return Weight.WEAK if judged.strength is Strength.WEAK else Weight.GOOD
