"""Halt authority and control-plane state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.rehearsal import acts
from rollback.rehearsal.scenario import Scenario
from rollback.rehearsal.scenarios.worlds import auto_swap_on
from rollback.rehearsal.simulator import names, stories

if TYPE_CHECKING:
    from rollback.rehearsal.simulator.process import Simulator

SWAPPED = {"moment": "phase", "phase": "swapped", "site": names.WEB}


MIDWAY = {"moment": "phase", "phase": "swap-started", "site": names.WEB}


def _authority_lost_mid_run(sim: Simulator) -> None:
    sim.control.fault("authority_denies", site=names.BACKEND, when=SWAPPED)


CONTROL: tuple[Scenario, ...] = (
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
        world=auto_swap_on,
        before_plan=lambda sim: sim.control.fault("platform_down"),
        play=acts.halt_went_out,
        swaps=0,
    ),
)
