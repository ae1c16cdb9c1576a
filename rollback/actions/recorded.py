"""What a run recorded before it changed something, and how that is spoken of. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from rollback.actions.seen import texts
from rollback.model.change import Finding, RefusedChange
from rollback.model.ramp_rules import rules_of
from rollback.model.slots import PRODUCTION

if TYPE_CHECKING:
    from rollback.model.ports import StepContext
    from rollback.model.views import RampRule

FACTS = {"rules": "rules", "auto-swap": "auto_swap", "image": "image", "state": "state"}
"""Which observed fact each kind restores."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What is to be restored. value: as before the run; left: as the run left it."""

    surface: str
    what: str
    slot: str
    value: tuple[str, ...]
    left: tuple[str, ...]
    run: str

    @classmethod
    def read(cls, step: StepContext) -> Recorded:
        """As the step says it."""
        spec = step.spec
        return cls(
            surface=str(getattr(spec, "surfaces", ("",))[0]),
            what=str(getattr(spec, "what", "")),
            slot=str(getattr(spec, "slot", PRODUCTION)),
            value=texts(getattr(spec, "value", ())),
            left=texts(getattr(spec, "left", ())),
            run=str(getattr(spec, "of", "")),
        )

    @property
    def text(self) -> str:
        """The value of what is one text."""
        return self.value[0] if self.value else ""

    @property
    def rules(self) -> tuple[RampRule, ...]:
        """The value of ramp-up rules."""
        return rules_of(self.value) if self.what == "rules" else ()

    @property
    def resource(self) -> str:
        """Where it is observed."""
        if self.what == "rules":
            return f"{self.surface}/traffic"
        return f"{self.surface}/slot/{self.slot}"


def refused(asked: Recorded, code: str, reason: str, move: str) -> RefusedChange:
    """A refusal to restore it, with the next move."""
    return RefusedChange(
        id=asked.what, resource=asked.resource, code=code, reason=reason, next_move=move
    )


def shown(value: tuple[str, ...]) -> str:
    """The values as a person reads them."""
    return ", ".join(one for one in value if one) or "none"


def finding(weight: Literal["unknown", "weak"], code: str, text: str, surface: str) -> Finding:
    """What the plan says of it."""
    return Finding(weight=weight, code=code, text=text, surface=surface)
