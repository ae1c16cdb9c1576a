"""What one revert is about: a surface, its release, and the world at that point. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rollback.actions.led_users import users_led
from rollback.actions.seen import builds_of, one_build
from rollback.model.slots import PRODUCTION

if TYPE_CHECKING:
    from rollback.model.base import Value
    from rollback.model.environment import Surface
    from rollback.model.observation import World
    from rollback.model.ports import StepContext


@dataclass(frozen=True, slots=True)
class Target:
    """What one revert is about."""

    step: StepContext
    name: str
    surface: Surface
    world: World
    build: str

    @property
    def slot(self) -> str:
        """The slot that holds, or will hold, the release."""
        return self.surface.stable_slot

    def fact(self, slot: str, name: str) -> Value:
        """One fact of one slot."""
        return self.world.get(f"{self.name}/slot/{slot}", name)

    @property
    def stopped(self) -> bool:
        """The slot has to be started first."""
        return str(self.fact(self.slot, "state")) == "Stopped"

    @property
    def filled(self) -> bool:
        """The artifact way has to put the release's image into the slot."""
        return str(self.fact(self.slot, "image") or "") != self.image

    @property
    def unread(self) -> bool:
        """What the slot is could not be read."""
        return self.fact(self.slot, "state") is None

    @property
    def image(self) -> str:
        """The release's image by digest, as the catalogue has it; empty where it has none."""
        entry = self.surface.release(self.build)
        return "" if entry is None or entry.image is None else entry.image

    @property
    def proved(self) -> str:
        """The build that every instance of the slot serves; empty where there is no such."""
        return one_build(self.world, self.name, self.slot)

    @property
    def led(self) -> int:
        """Hundredths of a percent of users that ramp-up rules send to the slot, as far as read."""
        return users_led(self.world, self.name, self.surface) or 0

    @property
    def bad(self) -> tuple[str, ...]:
        """What production serves now."""
        return builds_of(self.world, self.name, PRODUCTION)
