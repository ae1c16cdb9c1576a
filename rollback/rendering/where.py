"""Which environment a plan is for, whose it is, and why it was made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.rendering.view import Line, Span, Spans, Style, line, prose
from rollback.rendering.words import moment, shown

if TYPE_CHECKING:
    from rollback.model.base import Facts
    from rollback.model.plan import Plan


def where(plan: Plan) -> list[Line]:
    """Environment, owner, target, incident and trigger, playbook, who planned and when."""
    lines = [
        line("{} ({})", plan.environment, plan.environment_kind, label="environment"),
        line("{}, {}", plan.owner, plan.contact, label="owner"),
        *_target(plan.target),
        _given("incident", plan.incident),
        _given("trigger", plan.trigger),
        line("{}: {}", plan.playbook, prose(plan.summary), label="playbook"),
    ]
    if plan.undo_of is not None:
        lines.append(line("takes back what run {} changed", plan.undo_of, label="undo"))
    if plan.parameters:
        lines.append(Line(_pairs(plan.parameters, " = "), label="parameters"))
    lines.append(line("by {} at {}", plan.planned_by, moment(plan.created), label="planned"))
    return lines


def _given(label: str, value: str | None) -> Line:
    return line("none given", label=label) if value is None else line("{}", value, label=label)


def _target(target: Facts) -> list[Line]:
    """One line for all facts of one system or surface: their names are ``system/what``."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for fact in target:
        group, slash, name = fact.name.partition("/")
        groups.setdefault(group if slash else "", []).append((name or group, shown(fact.value)))
    lines = []
    for group, named in groups.items():
        spans: list[Span] = []
        for name, value in named:
            spans += [Span(", "), Span(f"{name} "), Span(value, Style.DATA)]
        head = (Span(group, Style.DATA), Span(": ")) if group else ()
        lines.append(Line((*head, *spans[1:]), label="target"))
    return lines


def _pairs(named: Facts, between: str) -> Spans:
    spans: list[Span] = []
    for fact in named:
        spans += [
            Span(", "),
            Span(fact.name, Style.DATA),
            Span(between),
            Span(shown(fact.value), Style.DATA),
        ]
    return tuple(spans[1:])
