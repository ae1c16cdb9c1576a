"""Two plans held against each other, line by line of what a reviewer reads."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from rollback.rendering.plan_view import plan_view
from rollback.rendering.text import flat
from rollback.rendering.view import TAGS, Line, Section

if TYPE_CHECKING:
    from rollback.model.plan import Plan

_LEFT_OUT = frozenset({"In short", "Identity", "Observations", "What is done, in order"})
_LABELS_LEFT_OUT = frozenset({"digest", "expires", "planned", "if it fails", "then you"})


@dataclass(frozen=True, slots=True)
class Difference:
    """One line that only one plan has. sign: ``-`` for the first plan, ``+`` for the second."""

    section: str
    sign: str
    text: str


def difference(old: Plan, new: Plan) -> tuple[Difference, ...]:
    """What a reviewer would read differently. Times of looking, digests and nonces are left out."""
    before, after = _lines(old), _lines(new)
    found: list[Difference] = []
    for section in dict.fromkeys((*before, *after)):
        first, second = before.get(section, []), after.get(section, [])
        for tag, i1, i2, j1, j2 in SequenceMatcher(
            None, first, second, autojunk=False
        ).get_opcodes():
            if tag != "equal":
                found += [Difference(section, "-", text) for text in first[i1:i2]]
                found += [Difference(section, "+", text) for text in second[j1:j2]]
    return tuple(found)


def _lines(plan: Plan) -> dict[str, list[str]]:
    """What is read of a plan. Its nonce, which names its folder of local evidence, is no matter."""
    ageless = tuple(each.model_copy(update={"at": plan.created}) for each in plan.authority)
    view = plan_view(plan.model_copy(update={"authority": ageless}), "")
    read: dict[str, list[str]] = {}
    for section in view.sections:
        if section.title not in _LEFT_OUT:
            texts = (text.replace(plan.nonce, "(nonce)") for text in _texts(section))
            read.setdefault(_name(section), []).extend(texts)
    return read


def _name(section: Section) -> str:
    return f"Step {flat(section.subject)}" if section.subject else section.title


def _texts(section: Section) -> list[str]:
    texts: list[str] = []
    for item in section.items:
        if isinstance(item, Line):
            if item.label not in _LABELS_LEFT_OUT:
                label = f"{item.label}:" if item.label else ""
                parts = (TAGS.get(item.weight, ""), label, flat(item.spans))
                texts.append(" ".join(part for part in parts if part))
        else:
            texts += [" | ".join(flat(cell) for cell in row) for row in item.rows]
    return texts
