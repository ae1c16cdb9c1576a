"""What a run changed becomes the steps that take it back; what nobody knows of is not undone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from rollback.errors import InputError, PersonNeeded
from rollback.model.base import Value, facts
from rollback.model.change import Update
from rollback.model.direction import Direction
from rollback.model.plan import PlannedStep
from rollback.model.record import RecordKind
from rollback.model.steps import (
    ReleaseHold,
    RestoreRecorded,
    RestoreTraffic,
    RetainTradeHalt,
    RevertDeployment,
)
from rollback.running.journal import check_file
from rollback.running.store import StateDirectory
from rollback.wiring.undo import undo_playbook
from tests.running.drive.hand import BAD, STABLE, plan
from tests.running.fakes import SeededRandomness, VirtualClock
from tests.running.plans import effect

if TYPE_CHECKING:
    from pathlib import Path

    from rollback.model.playbook import Playbook

RULE, OTHER = "canary=c.example=1500", "beta=b.example=500"


def change(
    id: str,
    resource: str,
    before: dict[str, Value],
    after: dict[str, Value],
    *,
    moves: bool = False,
    some: bool = False,
) -> Update:
    """One change of a run, with one effect named after it."""
    return Update(
        id=id,
        resource=resource,
        summary=f"{id} of {resource}",
        before=facts(**before),
        after=facts(**after),
        effects=(effect(f"run#{resource}#{id}", Direction.AWAY),),
        direction=Direction.AWAY,
        surface=resource.partition("/")[0],
        moves_users=moves,
        some_users=some,
        to_build=STABLE if moves else None,
    )


def swap(surface: str, build: str = BAD) -> Update:
    """Users of a surface were swapped from a build."""
    before: dict[str, Value] = {"builds": (build,), "slot_builds": (STABLE,)}
    after: dict[str, Value] = {"builds": (STABLE,), "slot_builds": (build,)}
    return change("swap", f"{surface}/slot/production", before, after, moves=True)


def step(name: str, *changes: Update, action: str = "revert_deployment") -> PlannedStep:
    """A step of the run; its surface is that of its first change."""
    return PlannedStep(name=name, action=action, spec=(), changes=changes)


@dataclass
class Ran:
    """A run kept on disk: what was sent, and what became of it."""

    root: Path

    def undo(self, *steps: PlannedStep, told: str = "applied", sent: bool = True) -> Playbook:
        """The undo of a run of these steps in which every change had this outcome."""
        state = StateDirectory(self.root)
        run = state.new_run(VirtualClock(), SeededRandomness("undo"))
        journal = run.create_journal(VirtualClock())
        journal.append("run", RecordKind.OPENED, facts(mode="full"), durable=True)
        of = plan(*steps)
        for one, update in of.updates:
            if sent:
                body: dict[str, Any] = {"effect": update.effects[0].id, "step": one.name}
                journal.append("run", RecordKind.INTENT, facts(**body), durable=True)
            if told:
                body = {"step": one.name, "change": update.id, "outcome": told}
                journal.append("run", RecordKind.OUTCOME, facts(**body), durable=True)
        journal.close()
        return undo_playbook(of, run.run, check_file(run.journal_path).records)


@pytest.fixture
def ran(tmp_path: Path) -> Ran:
    return Ran(tmp_path / "state")


def test_everything_is_taken_back_in_an_order_that_each_step_can_stand_on(ran: Ran) -> None:
    slot = "backend/slot/staging"
    halted = (
        change("ramp", "backend/traffic", {"rules": (RULE, OTHER)}, {"rules": (OTHER,)}),
        change("auto", slot, {"auto_swap": "production"}, {"auto_swap": ""}),
        change("disable", "backend/pipeline", {"state": "active"}, {"state": "disabled"}),
    )
    held = change("hold", "web/holds", {"held": False}, {"build": BAD, "held": True, "number": 3})
    backend = (
        change("fill", slot, {"image": "i1", "slot": "staging"}, {"image": "i2"}),
        change("start", slot, {"state": "Stopped"}, {"state": "Running"}),
        swap("backend"),
    )
    rules = change("rules", "backend/traffic", {"rules": (OTHER,)}, {"rules": ()})
    made = ran.undo(
        step("halt", *halted, action="halt_rollout"),
        step("hold", held, action="hold_release"),
        step("capture", change("c", "evidence/x", {}, {}), action="snapshot_audit_logs"),
        step("web", swap("web")),
        step("backend", *backend),
        step("traffic", rules, action="restore_traffic"),
    )

    def thing(what: str, slot: str, value: tuple[str, ...], left: tuple[str, ...]) -> object:
        return RestoreRecorded.model_validate(
            {"surfaces": ("backend",), "what": what, "slot": slot, "value": value, "left": left,
             "of": made.summary.split()[4]}
        )  # fmt: skip

    assert [(one.name, one.spec) for one in made.steps] == [
        ("authority", RetainTradeHalt()),
        ("release-hold-web", ReleaseHold(surface="web", build=BAD, number=3)),
        ("rules-backend", thing("rules", "production", (RULE, OTHER), ())),
        ("undo-backend", RevertDeployment(surfaces=("backend",), to=BAD, order="as-written")),
        ("undo-web", RevertDeployment(surfaces=("web",), to=BAD, order="as-written")),
        ("traffic-web", RestoreTraffic(surfaces=("web",), release=BAD)),
        ("image-backend-staging", thing("image", "staging", ("i1",), ("i2",))),
        ("state-backend-staging", thing("state", "staging", ("Stopped",), ("Running",))),
        ("auto-swap-backend-staging", thing("auto-swap", "staging", ("production",), ("",))),
    ]
    names = [one.name for one in made.steps]
    assert [one.after for one in made.steps] == [(), *((name,) for name in names[:-1])]
    assert "disable of backend/pipeline" in made.summary


@pytest.mark.parametrize("told", ["", "unknown"])
def test_what_nobody_knows_the_outcome_of_is_settled_first(ran: Ran, told: str) -> None:
    with pytest.raises(PersonNeeded) as caught:
        ran.undo(step("web", swap("web")), told=told)
    assert "rollback resume" in caught.value.hint


def test_what_did_not_take_effect_or_was_never_sent_is_not_undone(ran: Ran) -> None:
    for told, sent in (("not-applied", True), ("applied", False)):
        with pytest.raises(InputError) as caught:
            ran.undo(step("web", swap("web")), told=told, sent=sent)
        assert caught.value.code == "undo.nothing"


def test_evidence_and_words_alone_are_nothing_to_undo(ran: Ran) -> None:
    kept = change("c", "evidence/x", {"captured": False}, {"captured": True})
    with pytest.raises(InputError, match="nothing that a plan can take back"):
        ran.undo(
            step("capture", kept, action="snapshot_audit_logs"),
            step("tell", kept, action="notify"),
        )


def test_a_surface_that_served_two_releases_has_none_to_go_back_to(ran: Ran) -> None:
    mixed = swap("web").model_copy(update={"before": facts(builds=(BAD, STABLE))})
    with pytest.raises(InputError) as caught:
        ran.undo(step("web", mixed))
    assert caught.value.code == "undo.no-build"


def test_a_pin_is_undone_to_the_release_that_the_slot_served(ran: Ran) -> None:
    before: dict[str, Value] = {"image": "i1", "slot": "production", "slot_builds": (BAD,)}
    pin = change("pin", "web/slot/production", before, {"image": "i2"}, moves=True)
    made = ran.undo(step("web", pin))
    assert made.steps[1].spec == RevertDeployment(surfaces=("web",), to=BAD, order="as-written")


def test_an_undo_can_be_undone(ran: Ran) -> None:
    """What it opened is closed, what it stopped is started; a hold it released stays released."""
    opened = change("rules", "web/traffic", {"rules": ()}, {"rules": (RULE,)}, moves=True, some=True)
    stopped = change("stop", "web/slot/staging", {"state": "Running"}, {"state": "Stopped"})
    freed = change("release", "web/holds", {"held": True}, {"build": BAD, "held": False, "number": 4})
    made = ran.undo(
        step("hold", freed, action="release_hold"),
        step("rules", opened, action="restore_recorded"),
        step("state", stopped, action="restore_recorded"),
    )
    assert [one.name for one in made.steps] == ["authority", "rules-web", "state-web-staging"]
    restored = [one.spec for one in made.steps if isinstance(one.spec, RestoreRecorded)]
    assert [(one.value, one.left) for one in restored] == [
        ((), (RULE,)),
        (("Running",), ("Stopped",)),
    ]
    assert "release of web/holds" in made.summary
