"""Every scenario, with its stated ending. What plays out in more than one act is in `acts`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rollback.rehearsal import acts
from rollback.rehearsal.scenario import Scenario
from rollback.rehearsal.simulator import names, stories

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollback.rehearsal.simulator.process import Simulator
    from rollback.rehearsal.simulator.world import World

BOTH = (names.BACKEND, names.WEB)
SWAPPED = {"moment": "phase", "phase": "swapped", "site": names.WEB}
MIDWAY = {"moment": "phase", "phase": "swap-started", "site": names.WEB}


def _surface(content: dict[str, Any], name: str, **over: Any) -> dict[str, Any]:
    surfaces = content["surfaces"]
    return {**content, "surfaces": {**surfaces, name: {**surfaces[name], **over}}}


def _mirrored(content: dict[str, Any]) -> dict[str, Any]:
    return {**content, "journal_mirror": True}


def _on_hold(content: dict[str, Any]) -> dict[str, Any]:
    backend = content["surfaces"]["backend"]
    releases = [
        {**one, "on_hold": True} if one["build"] == names.STABLE_BUILD else one
        for one in backend["releases"]
    ]
    return _surface(content, "backend", releases=releases)


def _bad_ramps_to_stable(world: World) -> World:
    return stories.ramped(world, names.BACKEND, 20.0)


def _ramped_to_bad(world: World) -> World:
    return stories.ramped(stories.already_rolled_back(world), names.WEB, 20.0)


def _canary(world: World) -> World:
    return stories.ramped(world, names.WEB, 10.0, pinned=17)


def _artifact_denies(world: World) -> World:
    other = stories.holding(world, names.BACKEND, names.STAGING, names.THIRD_BUILD)
    return stories.with_authority(other, names.STABLE_BUILD, "denies")


def _much_to_undo(world: World) -> World:
    """Auto-swap on, a ramp-up rule to the stable release, and the web's stable slot stopped."""
    ramped = stories.ramped(stories.auto_swapping(world, names.BACKEND), names.BACKEND, 20.0)
    return stories.stopped(ramped, names.WEB)


def _auto_swap_on(world: World) -> World:
    return stories.auto_swapping(world, names.BACKEND)


def _store_nowhere(content: dict[str, Any]) -> dict[str, Any]:
    """A folder under a file: nothing can be written there."""
    return {**content, "evidence": {"store": {"kind": "folder", "path": "allowed_signers/no"}}}


def _bare(content: dict[str, Any]) -> dict[str, Any]:
    left = {name: value for name, value in content.items() if name not in ("lease", "evidence")}
    return {**left, "lease": {"ttl_s": 3}, "evidence": {}}


def _stop_both(world: World) -> World:
    return stories.stopped(world, names.WEB)


def _cosmos_setting(world: World) -> World:
    return stories.with_setting(
        world, names.BACKEND, names.STAGING, "COSMOS_DATABASE", "trading-old"
    )


def _authority_lost_mid_run(sim: Simulator) -> None:
    sim.control.fault("authority_denies", site=names.BACKEND, when=SWAPPED)


def _both_hosts_swap(fault: str) -> Callable[[Simulator], None]:
    def throw(sim: Simulator) -> None:
        sim.control.fault(fault, site=names.WEB, count=1)

    return throw


SCENARIOS: tuple[Scenario, ...] = (
    Scenario("clean", "a bad release is live on backend and web", (0,), swaps=1),
    Scenario(
        "already-rolled-back",
        "everything serves the stable release already: a plan of no-ops",
        (0,),
        world=stories.already_rolled_back,
        sends_nothing=True,
    ),
    Scenario(
        "swap-500-after-effect",
        "the swap is answered 500 after it took effect: read, not resent",
        (0,),
        before_apply=_both_hosts_swap("swap_500_after_effect"),
        swaps=1,
    ),
    Scenario(
        "swap-500-without-effect",
        "the swap is answered 500 and nothing happened: a person says so, then it goes on",
        (0,),
        play=acts.person_says_not_applied,
        before_apply=_both_hosts_swap("swap_500_without_effect"),
        swaps=1,
    ),
    Scenario(
        "swap-response-lost",
        "the connection drops after the swap was taken",
        (0, 6),
        before_apply=_both_hosts_swap("swap_response_dropped_after_effect"),
    ),
    Scenario(
        "swap-never-ends",
        "the swap stays in progress: bounded, then a person",
        (6,),
        before_apply=lambda sim: sim.control.fault("swap_never_ends", site=names.WEB),
    ),
    Scenario(
        "operation-in-progress",
        "somebody else's operation holds the site: wait, bounded, then a person",
        (6,),
        before_apply=lambda sim: sim.control.fault("other_operation_in_progress", site=names.WEB),
        swaps=0,
    ),
    Scenario(
        "third-build-on-slot",
        "somebody deployed a third build to the slot: refused, the artifact way is named",
        (3,),
        world=lambda world: stories.holding(world, names.BACKEND, names.STAGING, names.THIRD_BUILD),
        play=acts.refused_naming_the_artifact,
        swaps=0,
    ),
    Scenario(
        "third-build-artifact-chosen",
        "the slot is filled with the retained artifact by digest, proved, swapped",
        (0,),
        world=lambda world: stories.holding(world, names.WEB, names.STAGING, names.THIRD_BUILD),
        parameters={"way": "artifact"},
        swaps=1,
    ),
    Scenario(
        "warm-up-500",
        "the stable build answers 500: it never takes traffic",
        (3, 8),
        world=lambda world: stories.unhealthy(world, names.STABLE_BUILD),
        swaps=0,
    ),
    Scenario(
        "one-instance-differs",
        "one instance of the slot serves another build",
        (3,),
        world=lambda world: stories.mixed(
            world, names.BACKEND, names.STAGING, 1, names.THIRD_BUILD
        ),
        swaps=0,
    ),
    Scenario(
        "stable-slot-stopped",
        "the slot that holds the stable release is stopped: starting it is an effect",
        (0,),
        world=_stop_both,
        swaps=1,
    ),
    Scenario(
        "backend-slot-stopped",
        "the backend's stable slot is stopped: it proves halt authority once started, then it goes",
        (0,),
        world=lambda world: stories.stopped(world, names.BACKEND),
        play=acts.proved_while_applying,
        swaps=1,
    ),
    Scenario(
        "backend-artifact-chosen",
        "the backend's slot is filled by digest: it proves halt authority there, then it goes",
        (0,),
        world=lambda world: stories.holding(world, names.BACKEND, names.STAGING, names.THIRD_BUILD),
        parameters={"way": "artifact"},
        play=acts.proved_while_applying,
        swaps=1,
    ),
    Scenario(
        "backend-artifact-denies",
        "the artifact starts on the backend's slot and denies the halt: nobody is moved to it",
        (7,),
        world=_artifact_denies,
        parameters={"way": "artifact"},
        trigger="halt-not-applying",
        play=acts.proved_while_applying,
        swaps=0,
    ),
    Scenario(
        "two-loops-attested",
        "the warming slot can trade; a named person attests that trading is halted",
        (0,),
        world=lambda world: stories.trading_in_slot(world, names.BACKEND),
        attestations={"trading-halted": "dana: halted at the desk, no order was sent since 02:10"},
        play=acts.orders_are_listed,
        swaps=1,
    ),
    Scenario(
        "two-loops-not-attested",
        "the warming slot can trade and nobody attests: the backend is not moved",
        (4,),
        world=lambda world: stories.trading_in_slot(world, names.BACKEND),
        trigger="halt-not-applying",
        swaps=0,
    ),
    Scenario(
        "canary-pinned-by-cookie",
        "canary users are pinned by cookie: residual exposure with its time",
        (0,),
        world=_canary,
        play=acts.exposure_is_reported,
        swaps=1,
    ),
    Scenario(
        "ramp-rule-to-stable",
        "production is bad and the rule sends users to the stable slot: a halt keeps it",
        (0,),
        world=_bad_ramps_to_stable,
        play=acts.rule_is_kept,
    ),
    Scenario(
        "halt-turned-round",
        "between plan and apply somebody swaps, so that the rule protects users now: it stays",
        (5,),
        world=_ramped_to_bad,
        play=acts.halt_turned_round,
    ),
    Scenario(
        "below-floor",
        "the release asked for is below the rollback floor",
        (3,),
        parameters={"to": names.OLD_BUILD},
        swaps=0,
    ),
    Scenario("on-hold", "the stable release is on hold", (3,), settings=_on_hold, swaps=0),
    Scenario(
        "settings-carry-cosmos",
        "the swap would carry a Cosmos setting across",
        (3,),
        world=_cosmos_setting,
        swaps=0,
    ),
    Scenario(
        "authority-lost-mid-run",
        "the backend denies the halt while the run goes on: nothing moves users after it",
        (7,),
        before_apply=_authority_lost_mid_run,
    ),
    Scenario(
        "authority-broken-attested",
        "the bad release broke authority; a person attests a halt at the venue",
        (0,),
        world=lambda world: stories.with_authority(world, names.BAD_BUILD, "denies"),
        attestations={"halt-outside": "dana: all orders withdrawn at the venue, desk confirmed"},
        swaps=1,
    ),
    Scenario(
        "authority-broken-not-attested",
        "the bad release broke authority and nobody attests",
        (4, 7),
        world=lambda world: stories.with_authority(world, names.BAD_BUILD, "denies"),
        swaps=0,
    ),
    Scenario(
        "authority-says-yes-to-everyone",
        "the authority endpoint grants the token that must be refused",
        (7,),
        before_plan=lambda sim: sim.control.fault("authority_yes_to_everyone"),
        swaps=0,
    ),
    Scenario(
        "operator-halts-mid-run",
        "an operator halts trading while the run goes on: untouched",
        (0,),
        before_apply=lambda sim: sim.control.act("halt_trading", when=MIDWAY),
        play=acts.halt_stays,
        swaps=1,
    ),
    Scenario(
        "control-document-changed",
        "an operator changes a control document while the run goes on",
        (0,),
        before_apply=lambda sim: sim.control.act("write_control_document", when=MIDWAY),
        play=acts.drift_is_an_operators,
        swaps=1,
    ),
    Scenario(
        "release-rewrites-at-start",
        "the stable release rewrites a control document when it starts: not ours",
        (0,),
        world=lambda world: stories.rewriting(world, names.STABLE_BUILD),
        play=acts.drift_is_unknown,
    ),
    Scenario(
        "cosmos-throttles",
        "Cosmos answers 429 for a while",
        (0,),
        before_apply=lambda sim: sim.control.fault("cosmos_429", count=6, retry_after_ms=20),
        swaps=1,
    ),
    Scenario(
        "cosmos-unreachable",
        "Cosmos cannot be reached: evidence is incomplete and says so",
        (0,),
        before_apply=lambda sim: sim.control.fault("cosmos_unreachable"),
        swaps=1,
    ),
    Scenario(
        "platform-down",
        "platform-service is down: the halt goes out, nobody is moved",
        (7,),
        world=_auto_swap_on,
        before_plan=lambda sim: sim.control.fault("platform_down"),
        play=acts.halt_went_out,
        swaps=0,
    ),
    Scenario(
        "evidence-store-fails",
        "the evidence store takes nothing: the local spool stands in, and says so",
        (0, 9),
        world=_auto_swap_on,
        settings=_store_nowhere,
        play=acts.halt_went_out,
    ),
    Scenario(
        "disk-full",
        "the disk is full under the journal: the halt goes out, nobody is moved",
        (9,),
        world=_auto_swap_on,
        play=acts.disk_full,
        unrecorded=True,
        swaps=0,
    ),
    Scenario(
        "secret-planted",
        "a secret stands in settings, error bodies and tokens: it is in no output",
        (0,),
        play=acts.secret_planted,
        swaps=1,
    ),
    Scenario(
        "no-approvals-no-store-no-lease",
        "nobody signed, no store, no shared lease: the halt goes out, then it stops",
        (4,),
        world=_auto_swap_on,
        settings=_bare,
        approvals=0,
        play=acts.halt_went_out,
        swaps=0,
    ),
    Scenario(
        "no-approvals",
        "nobody signed: what is safe is applied, then it stops",
        (4,),
        approvals=0,
        swaps=0,
    ),
    Scenario(
        "killed-and-resumed",
        "the process is killed while the swap runs, and resumed",
        (0,),
        play=acts.killed_and_resumed,
        swaps=1,
    ),
    Scenario(
        "second-laptop-takes-over",
        "a laptop dies in the middle of a swap; a second one plans and finishes",
        (0,),
        play=acts.second_laptop,
        swaps=1,
    ),
    Scenario(
        "second-laptop-resumes-the-run",
        "a laptop dies in the middle of a swap; a second one resumes from the mirrored journal",
        (0,),
        settings=_mirrored,
        bucket=True,
        play=acts.resumed_from_the_mirror,
        swaps=1,
    ),
    Scenario(
        "mirror-fails",
        "the journal cannot be mirrored: the halt goes out, nobody is moved",
        (9,),
        world=_auto_swap_on,
        settings=_mirrored,
        play=acts.mirror_fails,
        swaps=0,
    ),
    Scenario(
        "two-runs-together",
        "two people press the button: one does it, one is told who holds the lease",
        (0,),
        play=acts.two_together,
        swaps=1,
    ),
    Scenario(
        "bucket-shared",
        "evidence and lease are in a locked bucket that machines share",
        (0,),
        bucket=True,
        swaps=1,
    ),
    Scenario(
        "two-runs-one-bucket",
        "two people on two machines press the button; the lease in the bucket decides",
        (0,),
        bucket=True,
        play=acts.two_together,
        swaps=1,
    ),
    Scenario(
        "edited-plan",
        "the plan was edited after it was signed",
        (3,),
        play=acts.edited,
        sends_nothing=True,
    ),
    Scenario(
        "edited-plan-with-halt",
        "the plan was edited after it was signed, and holds a halt: that goes, nothing else does",
        (3,),
        world=_auto_swap_on,
        play=acts.edited_with_halt,
        swaps=0,
    ),
    Scenario(
        "swap-called-a-halt",
        "the plan was edited so that a swap calls itself a halt",
        (3,),
        play=acts.swap_called_a_halt,
        sends_nothing=True,
    ),
    Scenario(
        "unreadable-approval",
        "an approval file cannot be read: the halt goes out; named rightly, the run goes on",
        (0,),
        world=_auto_swap_on,
        play=acts.unreadable_approval,
        swaps=1,
    ),
    Scenario(
        "nowhere-to-record",
        "no run can be recorded: the halt goes out, its intent on standard error, nobody is moved",
        (9,),
        world=_auto_swap_on,
        play=acts.nowhere_to_record,
        unrecorded=True,
        swaps=0,
    ),
    Scenario(
        "other-environments-plan",
        "a plan for another environment",
        (2,),
        play=acts.other_environment,
        sends_nothing=True,
    ),
    Scenario(
        "expired-approval",
        "the approval expired",
        (4,),
        play=acts.expired_approval,
        sends_nothing=True,
    ),
    Scenario(
        "undo",
        "a whole rollback is undone: releases, rules, auto-swap and a stopped slot as before",
        (0,),
        world=_much_to_undo,
        play=acts.undone,
        swaps=2,
    ),
    Scenario(
        "undo-refused",
        "the release to go back to was overwritten meanwhile: refused, with the next move",
        (3,),
        play=acts.undo_refused,
        swaps=1,
    ),
    Scenario(
        "replayed-plan", "the plan is applied a second time", (5,), play=acts.replayed, swaps=1
    ),
)
