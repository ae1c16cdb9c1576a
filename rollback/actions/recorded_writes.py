"""The one write that restores what was recorded, or why it may not be sent. Pure.

The rules U4 to U6 are told in `recorded_changes`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rollback.actions.led_users import predict_led
from rollback.actions.recorded import FACTS, Recorded, finding, refused, shown
from rollback.actions.revert_target import Target
from rollback.actions.revert_ways import VOLATILE
from rollback.actions.seen import one_build
from rollback.actions.trading_loops import judge_loops, loops_finding
from rollback.connectors.app_service_effects import (
    auto_swap_effect,
    image_effect,
    ramp_rules_effect,
    start_effect,
    stop_effect,
)
from rollback.model.base import Fact, facts
from rollback.model.change import TRADING_HALTED, Change, Finding, RefusedChange, Update
from rollback.model.direction import Direction, Undo
from rollback.model.observation import Prediction
from rollback.model.ramp_rules import rules_as_texts, rules_of
from rollback.model.slots import reference, slot_at
from rollback.planning.refusals import refuse_release

if TYPE_CHECKING:
    from rollback.model.effect import Effect
    from rollback.model.observation import World
    from rollback.model.ports import StepContext

SETTLE_S = 30


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes the one change of each kind, or its refusal, where something is to be restored."""

    step: StepContext
    world: World
    asked: Recorded
    now: tuple[str, ...]
    findings: list[Finding]

    def rules(self) -> Change:
        """Ramp-up rules, all at once and absolutely (U4)."""
        surface = self.step.environment.surface(self.asked.surface)
        builds: set[str] = set()
        for rule in self.asked.rules:
            slot = slot_at(surface, rule.host)
            there = one_build(self.world, self.asked.surface, slot) if slot else ""
            if not there:
                why = f"slot {slot} serves" if slot else f"is behind {rule.host}"
                return refused(
                    self.asked,
                    "undo.rule-unproved",
                    f"it is not proved what {why}, so nobody can say where the rule to {rule.name} "
                    "would send users",
                    "plan again when every instance of the slot answers, or set the rule by hand",
                )
            builds.add(there)
        for build in sorted(builds):
            if (refusal := self._may_run(build)) is not None:
                return refusal
        if len(builds) > 1:
            return refused(
                self.asked,
                "undo.rules-differ",
                f"the recorded rules lead to several releases ({', '.join(sorted(builds))})",
                "set the rules by hand, one after the other",
            )
        named = (f"{one.name} {one.percent_hundredths / 100:g} %" for one in self.asked.rules)
        text = shown(tuple(named))
        effect = ramp_rules_effect(
            self.step.environment.azure,
            reference(self.step.environment, surface),
            self.asked.rules,
            id=f"{self.step.name}#rules",
            direction=Direction.AWAY,
            undo=self._undo(),
        )
        moved = next(iter(builds), None)
        return self._update(
            "rules",
            f"set the traffic rules of {self.asked.surface} again: {text}",
            effect,
            (Fact(name="rules", value=rules_as_texts(self.asked.rules)),),
            moves_users=moved is not None,
            some_users=moved is not None,
            to_build=moved,
            volatile=("routing",),
            also=predict_led(self.asked.surface, surface, rules_of(self.now), self.asked.rules),
        )

    def auto_swap(self) -> Change:
        """Where a deployment to the slot is swapped by itself."""
        surface = self.step.environment.surface(self.asked.surface)
        label = f"{surface.site}/{self.asked.slot}"
        target = self.asked.text
        if target:
            text = f"the next deployment to {label} is swapped into {target} by itself again"
            self.findings.append(finding("weak", "undo.auto-swap", text, self.asked.surface))
        effect = auto_swap_effect(
            self.step.environment.azure,
            reference(self.step.environment, surface, self.asked.slot),
            target,
            id=f"{self.step.name}#auto-swap",
            direction=Direction.AWAY,
            undo=self._undo(),
        )
        summary = f"set auto-swap of {label} again: {target or 'off'}"
        return self._update("auto-swap", summary, effect, (Fact(name="auto_swap", value=target),))

    def image(self) -> Change:
        """What a slot held; starts that release where the slot runs (U5)."""
        surface = self.step.environment.surface(self.asked.surface)
        build = next((one.build for one in surface.releases if one.image == self.asked.text), "")
        if not build:
            return refused(
                self.asked,
                "undo.image-unknown",
                f"{self.asked.text or 'what was there'} is the image of no release in the "
                f"catalogue of {self.asked.surface}: nobody can tell what it does when it starts",
                "add its release to the environment file with its facts and undo again, or have "
                "the pipeline deploy it to the slot",
            )
        if (refusal := self._may_run(build)) is not None:
            return refusal
        running = str(self.world.get(self.asked.resource, "state")) == "Running"
        effect = image_effect(
            self.step.environment.azure,
            reference(self.step.environment, surface, self.asked.slot),
            self.asked.text,
            id=f"{self.step.name}#image",
            undo=self._undo(),
        )
        given = [Fact(name="image", value=self.asked.text)]
        if running:
            given.insert(0, Fact(name="builds", value=(build,)))
        return self._starting(
            "image",
            f"put {build} into {surface.site}/{self.asked.slot} again ({self.asked.text})",
            effect,
            tuple(given),
            build if running else "",
        )

    def state(self) -> Change:
        """Stopped or started again (U5, U6)."""
        surface = self.step.environment.surface(self.asked.surface)
        slot = reference(self.step.environment, surface, self.asked.slot)
        azure = self.step.environment.azure
        if self.asked.text == "Stopped":
            effect = stop_effect(azure, slot, id=f"{self.step.name}#stop", undo=self._undo())
            return self._stop(effect)
        held = str(self.world.get(self.asked.resource, "image") or "")
        build = next((one.build for one in surface.releases if held and one.image == held), "")
        if not build:
            return refused(
                self.asked,
                "undo.image-unknown",
                f"slot {self.asked.slot} holds {held or 'nothing known'}, which is no release of "
                "the catalogue: nobody can tell what it does when it starts",
                "start the slot by hand once somebody knows",
            )
        if (refusal := self._may_run(build)) is not None:
            return refusal
        effect = start_effect(azure, slot, id=f"{self.step.name}#start", undo=self._undo())
        given = (Fact(name="builds", value=(build,)), Fact(name="state", value="Running"))
        summary = f"start slot {slot.label} ({build}) again"
        return self._starting("start", summary, effect, given, build)

    def _stop(self, effect: Effect) -> Change:
        surface = self.step.environment.surface(self.asked.surface)
        rules = rules_of(self.world.get(f"{self.asked.surface}/traffic", "rules"))
        if any(slot_at(surface, rule.host) == self.asked.slot for rule in rules):
            return refused(
                self.asked,
                "undo.slot-in-use",
                f"a ramp-up rule sends users to slot {self.asked.slot}: stopped, it would answer "
                "them with errors",
                "remove the rule first, or leave the slot running",
            )
        given = (Fact(name="builds", value=()), Fact(name="state", value="Stopped"))
        summary = f"stop slot {surface.site}/{self.asked.slot} again"
        return self._update("stop", summary, effect, given, volatile=VOLATILE)

    def _starting(
        self, id: str, summary: str, effect: Effect, given: tuple[Fact, ...], build: str
    ) -> Change:
        """A change that may start a release: two trading loops need a person's word."""
        word = ""
        surface = self.step.environment.surface(self.asked.surface)
        if build and surface.carries_authority:
            target = Target(self.step, self.asked.surface, surface, self.world, build)
            loops = judge_loops(target, starts=True)
            self.findings.append(loops_finding(target, loops, swaps=False))
            word = "" if loops.prevented else TRADING_HALTED
        return self._update(
            id, summary, effect, given, starts_build=build or None, word=word, volatile=VOLATILE
        )

    def _may_run(self, build: str) -> RefusedChange | None:
        name = self.asked.surface
        surface = self.step.environment.surface(name)
        refusal, weak = refuse_release(name, surface, build, self.world, chosen=False)
        self.findings.extend(weak)
        return refusal

    def _undo(self) -> Undo:
        return Undo(possible=True, by=f"setting it to {shown(self.now)} again")

    def _update(  # noqa: PLR0913 (the fields of a change)
        self,
        id: str,
        summary: str,
        effect: Effect,
        given: tuple[Fact, ...],
        *,
        moves_users: bool = False,
        some_users: bool = False,
        to_build: str | None = None,
        starts_build: str | None = None,
        word: str = "",
        volatile: tuple[str, ...] = (),
        also: tuple[Prediction, ...] = (),
    ) -> Update:
        policy = self.step.environment.policy
        slow = self.asked.what in ("image", "state")
        name = FACTS[self.asked.what]
        before = self.now if self.asked.what == "rules" else self.now[0]
        after = [fact for fact in given if fact.name != "builds"]
        after.append(Fact(name="slot", value=self.asked.slot))
        if starts_build is not None:
            after.append(Fact(name="slot_builds", value=(starts_build,)))
        return Update(
            id=id,
            resource=self.asked.resource,
            summary=summary,
            before=facts(**{name: before}, slot=self.asked.slot),
            after=tuple(sorted(after, key=lambda fact: fact.name)),
            effects=(effect,),
            direction=Direction.AWAY,
            surface=self.asked.surface,
            moves_users=moves_users,
            some_users=some_users,
            to_build=to_build,
            starts_build=starts_build,
            word=word,
            volatile=volatile,
            settle_s_max=policy.quiet_s + SETTLE_S + (policy.swap_s_max if slow else 0),
            poll_s=policy.poll_s,
            predicts=(Prediction(resource=self.asked.resource, compared=given), *also),
        )
