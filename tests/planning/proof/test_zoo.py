"""A zoo of bad plans: each is caught, by the promise it breaks, with the shortest way there.

The counterexample is written out in full: it is what a reviewer reads.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from rollback.model.authority import AuthorityJudgement, Verdict
from rollback.model.base import facts
from rollback.model.direction import Direction
from rollback.model.environment import Pair
from rollback.model.observation import Observation, Prediction
from rollback.planning.proof import prove as explorer
from rollback.planning.proof.model import System
from rollback.planning.proof.predicates import PREDICATES
from rollback.planning.proof.prove import prove, prove_system

from .systems import (
    BAD,
    NOW,
    OLDER,
    STABLE,
    ask,
    capture,
    environment,
    halt,
    judged,
    look,
    move,
    planned,
    production,
    start,
    system,
    update,
)

WEB_NEW_BACKEND_OLD = ("web", BAD, "backend", STABLE)


@dataclass(frozen=True)
class Beast:
    """One bad plan: what it breaks, and the shortest way there."""

    name: str
    system: System
    broken: str
    trace: tuple[str, ...]


ZOO = (
    Beast(
        "nothing proves authority and the backend moves",
        system(move("revert-backend", "backend", STABLE), retained=()),
        "authority-before-move",
        ("revert-backend starts",),
    ),
    Beast(
        "swap although only what is left behind proves authority",
        system(halt(), move("revert-backend", "backend", STABLE, 0), retained=(BAD,)),
        "no-step-reduces-authority",
        ("halt starts", "halt takes effect", "revert-backend starts"),
    ),
    Beast(
        "swap to a build that was never named",
        system(move("revert-backend", "backend", None)),
        "no-step-reduces-authority",
        ("revert-backend starts",),
    ),
    Beast(
        "swap to a release older than the one that proved itself",
        system(look("authority"), move("revert-backend", "backend", OLDER, 0)),
        "no-step-reduces-authority",
        ("authority starts", "authority takes effect", "revert-backend starts"),
    ),
    Beast(
        "the second move of the backend gives authority away again",
        system(
            move("revert-backend", "backend", STABLE),
            move("further-back", "backend", OLDER, 0),
        ),
        "no-step-reduces-authority",
        ("revert-backend starts", "revert-backend takes effect", "further-back starts"),
    ),
    Beast(
        "web before authority is proved on the backend that users are on",
        system(
            move("revert-web", "web", STABLE),
            move("revert-backend", "backend", STABLE, 0),
            retained=(STABLE,),
        ),
        "authority-before-move",
        ("revert-web starts",),
    ),
    Beast(
        "web beside the backend's recovery, not after it",
        system(
            halt(),
            move("revert-backend", "backend", STABLE, 0),
            move("revert-web", "web", STABLE, 0),
            retained=(STABLE,),
        ),
        "authority-before-move",
        ("halt starts", "halt takes effect", "revert-web starts"),
    ),
    Beast(
        "web after a capture, as if a capture proved anything",
        system(capture("capture"), move("revert-web", "web", STABLE, 0), retained=(STABLE,)),
        "authority-before-move",
        ("capture starts", "capture takes effect", "revert-web starts"),
    ),
    Beast(
        "web while nobody knows what the backend serves",
        system(move("revert-web", "web", STABLE), live=(("web", BAD),)),
        "authority-before-move",
        ("revert-web starts",),
    ),
    Beast(
        "web while one instance of the backend serves a build that proves nothing",
        system(
            move("revert-web", "web", STABLE),
            live=(("backend", BAD), ("backend", STABLE), ("web", BAD)),
            retained=(STABLE,),
        ),
        "authority-before-move",
        ("revert-web starts",),
    ),
    Beast(
        "swap without any capture",
        system(halt(), move("revert-backend", "backend", STABLE, volatile=True)),
        "evidence-before-change",
        ("revert-backend starts",),
    ),
    Beast(
        "capture after the revert",
        system(
            move("revert-backend", "backend", STABLE, volatile=True),
            capture("capture", 0),
        ),
        "evidence-before-change",
        ("revert-backend starts",),
    ),
    Beast(
        "capture beside the revert",
        system(
            look("authority"),
            capture("capture", 0),
            move("revert-backend", "backend", STABLE, 0, volatile=True),
        ),
        "evidence-before-change",
        ("authority starts", "authority takes effect", "revert-backend starts"),
    ),
    Beast(
        "a halt that destroys what was not captured",
        system(
            move("cut-off", "backend", STABLE, volatile=True, direction=Direction.TOWARD),
            capture("capture"),
        ),
        "evidence-before-change",
        ("cut-off starts",),
    ),
    Beast(
        "two moves of one surface side by side",
        system(move("swap", "backend", STABLE), move("set-image", "backend", STABLE)),
        "one-move-per-surface",
        ("swap starts", "set-image starts"),
    ),
    Beast(
        "two moves of one surface after the same step",
        system(
            look("authority"),
            move("swap", "web", STABLE, 0),
            move("set-image", "web", STABLE, 0),
        ),
        "one-move-per-surface",
        ("authority starts", "authority takes effect", "swap starts", "set-image starts"),
    ),
    Beast(
        "back to the bad build",
        system(
            move("revert-backend", "backend", STABLE),
            move("forward-again", "backend", BAD, 0),
        ),
        "exposure-only-shrinks",
        ("revert-backend starts", "revert-backend takes effect", "forward-again starts"),
    ),
    Beast(
        "web back to the bad build after everything was well",
        system(
            move("revert-web", "web", STABLE),
            look("verify", 0),
            move("forward-again", "web", BAD, 1),
        ),
        "exposure-only-shrinks",
        (
            "revert-web starts",
            "revert-web takes effect",
            "verify starts",
            "verify takes effect",
            "forward-again starts",
        ),
    ),
    Beast(
        "swapped there and back",
        system(move("swap", "web", STABLE), move("swap-back", "web", BAD, 0)),
        "exposure-only-shrinks",
        ("swap starts", "swap takes effect", "swap-back starts"),
    ),
    Beast(
        "a forbidden pair is live while the backend's move is in flight",
        system(
            move("revert-backend", "backend", STABLE),
            move("revert-web", "web", STABLE, 0),
            pairs=(WEB_NEW_BACKEND_OLD,),
        ),
        "no-forbidden-pair",
        ("revert-backend starts",),
    ),
    Beast(
        "a forbidden pair is live although web goes first, because nobody waits for it",
        system(
            move("revert-web", "web", STABLE),
            move("revert-backend", "backend", STABLE),
            pairs=(("web", STABLE, "backend", BAD),),
        ),
        "no-forbidden-pair",
        ("revert-web starts",),
    ),
    Beast(
        "a forbidden pair at the end of the plan",
        system(
            move("revert-web", "web", OLDER),
            move("revert-backend", "backend", STABLE, 0),
            pairs=(("backend", STABLE, "web", OLDER),),
        ),
        "no-forbidden-pair",
        ("revert-web starts", "revert-web takes effect", "revert-backend starts"),
    ),
    Beast(
        "a halt that waits for a revert",
        system(move("revert-backend", "backend", STABLE), halt("halt", 0)),
        "toward-safety-enabled",
        ("halt has to wait for another step",),
    ),
    Beast(
        "a halt that waits for a capture",
        system(capture("capture"), halt("halt", 0)),
        "toward-safety-enabled",
        ("halt has to wait for another step",),
    ),
    Beast(
        "a halt that waits for a check behind another halt",
        system(halt("first"), look("authority", 0), halt("second", 0, 1)),
        "toward-safety-enabled",
        ("second has to wait for another step",),
    ),
    Beast(
        "a swap beside the proof of what was started, not after it",
        system(
            start("start-slot"),
            ask("ask", STABLE, 0),
            move("revert-backend", "backend", STABLE, 0),
            retained=(BAD,),
        ),
        "no-step-reduces-authority",
        ("start-slot starts", "start-slot takes effect", "revert-backend starts"),
    ),
    Beast(
        "a swap after the proof of another build",
        system(
            ask("ask", OLDER),
            move("revert-backend", "backend", STABLE, 0),
            retained=(),
        ),
        "authority-before-move",
        ("ask is asked for", "ask is proved", "revert-backend starts"),
    ),
    Beast(
        "web once the backend was moved to what its start proved, beside that move",
        system(
            ask("ask", STABLE),
            move("revert-backend", "backend", STABLE, 0),
            move("revert-web", "web", STABLE),
            live=(("backend", OLDER), ("web", BAD)),
            retained=(),
        ),
        "authority-before-move",
        ("revert-web starts",),
    ),
    Beast(
        "some users on a release that proves nothing count as users on it",
        system(
            replace(move("rules", "backend", STABLE), part=True),
            move("revert-web", "web", STABLE, 0),
            retained=(STABLE,),
        ),
        "authority-before-move",
        ("rules starts", "rules takes effect", "revert-web starts"),
    ),
    Beast(
        "a harmless target first does not hide the bad one",
        system(look("elsewhere"), capture("capture"), move("revert-web", "web", None), retained=()),
        "authority-before-move",
        ("revert-web starts",),
    ),
)


@pytest.mark.parametrize("beast", ZOO, ids=lambda beast: beast.name)
def test_is_caught_with_the_shortest_trace(beast: Beast) -> None:
    found = prove_system(beast.system)
    assert (found.holds, found.broken) == (False, beast.broken)
    assert found.broken in PREDICATES
    wanted = tuple(f"{at}. {line}" for at, line in enumerate(beast.trace, start=1))
    assert found.counterexample == wanted


def test_the_zoo_has_every_predicate_that_a_plan_can_break() -> None:
    # The other two are broken by no plan: one is the executor's, the other a matter of types.
    assert {beast.broken for beast in ZOO} == {*PREDICATES} - {"unknown-stops", "halt-monotonic"}
    assert len({beast.name for beast in ZOO}) == len(ZOO) >= 20


GOOD = {
    "full rollback, captures alongside": system(
        halt(),
        look("authority"),
        capture("durable"),
        capture("capture-before", 0, 1),
        move("revert-web", "web", STABLE, 0, 1, 3, volatile=True),
        move("revert-backend", "backend", STABLE, 4, volatile=True),
        look("traffic", 5),
        capture("seal", 2, 6),
    ),
    "authority lost before: the backend first, then web": system(
        halt(),
        move("revert-backend", "backend", STABLE),
        move("revert-web", "web", STABLE, 1),
        retained=(STABLE,),
    ),
    "a forbidden pair that is what we are recovering from": system(
        move("revert-web", "web", STABLE),
        pairs=(("web", BAD, "backend", BAD),),
    ),
    "surfaces side by side, one of which may fail": system(
        move("revert-web", "web", STABLE, goes_on=True),
        move("revert-backend", "backend", STABLE),
        start("start-slot"),
    ),
    "a stopped slot started, its authority proved, then swapped; web after it": system(
        start("start-slot"),
        ask("ask", STABLE, 0),
        move("revert-backend", "backend", STABLE, 1),
        move("revert-web", "web", STABLE, 2),
        retained=(BAD,),
    ),
    "a ramp-up rule opened again, then all users moved": system(
        replace(move("rules", "web", STABLE), part=True),
        move("undo-web", "web", BAD, 0),
        live=(("backend", BAD), ("web", STABLE)),
    ),
    "a check that hands over, beside a revert": system(
        replace(look("check"), hands_over=True),
        move("revert-backend", "backend", STABLE),
    ),
    "nothing at all": system(),
}


@pytest.mark.parametrize("name", GOOD)
def test_good_plans_hold(name: str) -> None:
    found = prove_system(GOOD[name])
    assert (found.holds, found.broken, found.counterexample) == (True, "", ())


@pytest.mark.parametrize("goes_on", [False, True])
def test_an_executor_that_ignores_the_unknown_is_caught(
    goes_on: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = system(
        move("revert-web", "web", STABLE, goes_on=goes_on),
        move("revert-backend", "backend", STABLE),
    )
    assert prove_system(plan).holds
    monkeypatch.setattr(explorer, "startable", lambda *_: True)
    found = prove_system(plan)
    assert found.broken == "unknown-stops"
    assert found.counterexample == (
        "1. revert-web starts",
        "2. revert-web is lost: nobody knows whether it took effect",
        "3. revert-backend starts",
    )


def test_too_many_states_are_refused_not_waved_through(monkeypatch: pytest.MonkeyPatch) -> None:
    many = system(*(look(f"look-{at}") for at in range(3)), look("all", 0, 1, 2))
    assert prove_system(many).holds
    monkeypatch.setattr(explorer, "STATES_MAX", 100)
    found = prove_system(many)
    assert (found.holds, found.broken) == (False, "bounds")
    assert found.counterexample == ("more than 100 states",)


def test_targets_that_do_not_meet_are_proved_apart() -> None:
    def stamps(count: int) -> System:
        nodes = [
            node
            for at in range(count)
            for node in (
                capture(f"capture-{at}"),
                move(f"revert-{at}", f"stamp-{at}", STABLE, 2 * at, volatile=True),
            )
        ]
        live = tuple((f"stamp-{at}", BAD) for at in range(count))
        return system(*nodes, live=(("backend", BAD), *live))

    one, many = prove_system(stamps(1)), prove_system(stamps(40))
    assert many.holds
    assert (many.states, many.transitions) == (40 * one.states, 40 * one.transitions)
    last = stamps(40)
    bad = replace(last, nodes=(*last.nodes[:-1], replace(last.nodes[-1], after=())))
    assert prove_system(bad).broken == "evidence-before-change"
    assert prove_system(bad).counterexample == ("1. revert-39 starts",)


BOTH_PROVE = (
    judged("production", Verdict.RETAINED, BAD),
    judged("staging", Verdict.RETAINED, STABLE),
)
ALL_BAD = (production("backend", BAD), production("web", BAD))
SWAP = update("swap", surface="backend", to=STABLE, volatile=("worker-logs",))
WEB_SWAP = update("swap", surface="web", to=STABLE)
RULES = update("rules", Direction.TOWARD, surface="backend")
SITE = {"provider": "app-service", "hosts": ["x.example.net"]}
CAPTURE = planned(
    "capture", update("capture", Direction.NEITHER), action="snapshot_audit_logs", sources="all"
)


def test_planned_steps_hold_and_break_like_the_systems_they_are() -> None:
    good = (CAPTURE, planned("revert", SWAP, after=("capture",)))
    assert prove(good, ALL_BAD, environment(), BOTH_PROVE).holds
    durable = planned("capture", action="snapshot_audit_logs", sources="durable")
    found = prove((durable, *good[1:]), ALL_BAD, environment(), BOTH_PROVE)
    assert found.broken == "evidence-before-change"
    assert found.counterexample == (
        "1. capture starts",
        "2. capture takes effect",
        "3. revert#swap starts",
    )


def test_a_judgement_that_is_not_retained_proves_no_build() -> None:
    steps = (CAPTURE, planned("revert", SWAP, after=("capture",)))
    for verdict in (Verdict.LOST, Verdict.UNKNOWN):
        slot = judged("staging", verdict, STABLE)
        found = prove(steps, ALL_BAD, environment(), (BOTH_PROVE[0], slot))
        assert found.broken == "no-step-reduces-authority"


@pytest.mark.parametrize(
    ("judgements", "broken"),
    [
        ((judged("production", Verdict.RETAINED, BAD),), ""),
        ((judged("production", Verdict.RETAINED),), ""),
        ((judged("production", Verdict.LOST, BAD),), "authority-before-move"),
        ((judged("production", Verdict.UNKNOWN),), "authority-before-move"),
        ((judged("staging", Verdict.RETAINED, STABLE),), "authority-before-move"),
        ((), "authority-before-move"),
    ],
)
def test_web_alone_needs_authority_where_nobody_read_the_backends_slot(
    judgements: tuple[AuthorityJudgement, ...], broken: str
) -> None:
    steps = (planned("revert", WEB_SWAP),)
    found = prove(steps, (production("web", BAD),), environment(), judgements)
    assert found.broken == broken


def test_a_backend_that_serves_two_builds_must_prove_both() -> None:
    steps = (planned("revert", WEB_SWAP),)
    mixed = (production("backend", BAD, OLDER), production("web", BAD))
    assert prove(steps, mixed, environment(), BOTH_PROVE).broken == "authority-before-move"
    proved = (judged("production", Verdict.RETAINED, BAD, OLDER),)
    assert prove(steps, mixed, environment(), proved).holds


def test_a_step_is_over_only_when_all_its_changes_are() -> None:
    mixed = planned("revert", SWAP.model_copy(update={"volatile": ()}), RULES)
    web = planned("web", WEB_SWAP, after=("revert",))
    lost = (judged("staging", Verdict.RETAINED, STABLE),)
    assert prove((mixed, web), ALL_BAD, environment(), lost).holds


def test_a_move_to_what_the_plan_starts_is_tied_to_a_proof_by_the_run() -> None:
    start_slot = update("start", surface="backend").model_copy(update={"starts_build": STABLE})
    tied = SWAP.model_copy(update={"volatile": (), "authority_on": "staging"})
    web = planned("web", WEB_SWAP, after=("revert",))
    only_bad = (judged("production", Verdict.RETAINED, BAD),)
    found = prove((planned("revert", start_slot, tied), web), ALL_BAD, environment(), only_bad)
    assert (found.holds, found.broken) == (True, "")
    untied = tied.model_copy(update={"authority_on": None})
    found = prove((planned("revert", start_slot, untied), web), ALL_BAD, environment(), only_bad)
    assert found.broken == "no-step-reduces-authority"
    # And web may not go before the backend's proof, where only that one is left.
    lost = (judged("production", Verdict.LOST, BAD),)
    first = (planned("revert", start_slot, tied), planned("web", WEB_SWAP))
    found = prove(first, ALL_BAD, environment(), lost)
    assert (found.broken, found.counterexample) == ("authority-before-move", ("1. web#swap starts",))


def test_a_rule_that_stays_may_not_lead_to_what_has_not_proved_authority() -> None:
    led = SWAP.model_copy(update={"volatile": (), "also_to": (BAD,)})
    assert prove((planned("revert", led),), ALL_BAD, environment(), BOTH_PROVE).holds
    lost = (judged("staging", Verdict.RETAINED, STABLE), judged("production", Verdict.LOST, BAD))
    found = prove((planned("revert", led),), ALL_BAD, environment(), lost)
    assert found.broken == "authority-before-move"
    assert found.counterexample == ("1. revert#swap starts",)


def test_a_halt_waits_for_no_neighbour_but_may_not_be_made_to_wait() -> None:
    swap = SWAP.model_copy(update={"volatile": ()})
    assert prove((planned("revert", swap, RULES),), ALL_BAD, environment(), BOTH_PROVE).holds
    steps = (CAPTURE, planned("halt", RULES, after=("capture",), action="halt_rollout"))
    found = prove(steps, ALL_BAD, environment(), BOTH_PROVE)
    assert found.broken == "toward-safety-enabled"
    assert found.counterexample == ("1. halt#rules has to wait for another step",)


def test_a_rule_that_was_emptied_before_the_other_surface_moves_pairs_nobody() -> None:
    opened = replace(start("open", surface="web"), rules=("canary",))
    emptied = replace(start("empty", 0, surface="web"), rules=())
    moved = move("revert-backend", "backend", STABLE, 1)
    kept = system(
        *(opened, emptied, moved),
        live=(("backend", BAD), ("web", OLDER)),
        pairs=(WEB_NEW_BACKEND_OLD,),
        serving=(("web", "canary", BAD),),
    )
    assert prove_system(kept).holds
    found = prove_system(replace(kept, nodes=(opened, emptied, replace(moved, after=(0,)))))
    assert found.broken == "no-forbidden-pair"
    assert found.counterexample == (
        "1. open starts",
        "2. open takes effect",
        "3. revert-backend starts",
    )
    beside = prove_system(replace(kept, nodes=(opened, replace(moved, after=()))))
    assert beside.broken == "no-forbidden-pair"
    assert beside.counterexample == ("1. open starts", "2. revert-backend starts")


def seen(resource: str, **values: tuple[str, ...]) -> Observation:
    """What one look found."""
    return Observation(resource=resource, compared=facts(**values), at=NOW)


def test_whom_a_rule_leads_where_is_read_from_what_was_seen_and_what_changes_it() -> None:
    """Web is back already; users of its canary are not, and a halt that empties the rule may fail."""
    pair = Pair(surface="web", build=BAD, other_surface="backend", other_build=STABLE)
    surfaces = (
        ("backend", SITE | {"site": "trading", "carries_authority": True}),
        ("web", SITE | {"site": "trading-web", "slot_hosts": [("canary", "canary.example.net")]}),
    )
    table = environment(pair, surfaces=surfaces)
    rule = "canary=canary.example.net=500"
    world = (
        *(production("backend", BAD), production("web", STABLE)),
        *(seen("web/slot/canary", builds=(BAD,)), seen("web/traffic", rules=(rule,))),
    )
    backend = planned("backend", SWAP.model_copy(update={"volatile": ()}))
    assert prove((backend,), world, table, BOTH_PROVE).counterexample == ("1. backend#swap starts",)
    elsewhere = "elsewhere=e.example.net=500"
    for nobody in (
        (*world[:3], seen("web/traffic", rules=())),
        (*world[:3], seen("web/traffic", rules=(elsewhere,))),
        (*world[:2], seen("web/slot/canary", builds=(STABLE,)), world[3]),
    ):
        assert prove((backend,), nobody, table, BOTH_PROVE).holds

    emptied = Prediction(resource="web/traffic", compared=facts(rules=()))
    halt_web = update("rules", Direction.TOWARD, surface="web")
    halts = planned("halt", halt_web.model_copy(update={"predicts": (emptied,)}))
    beside = (halts, backend)
    assert prove(beside, world, table, BOTH_PROVE).counterexample == ("1. backend#swap starts",)
    after = (halts, backend.model_copy(update={"after": ("halt",)}))
    assert prove(after, world, table, BOTH_PROVE).holds, "a halt that failed keeps the swap from it"

    deployed = Prediction(resource="web/slot/canary", compared=facts(builds=(STABLE,)))
    fill = update("fill", surface="web").model_copy(update={"predicts": (deployed,)})
    first = (planned("fill", fill), backend.model_copy(update={"after": ("fill",)}))
    assert prove(first, world, table, BOTH_PROVE).holds


def test_the_environments_compatibility_table_is_kept() -> None:
    pair = Pair(surface="web", build=BAD, other_surface="backend", other_build=STABLE)
    backend = planned("backend", SWAP.model_copy(update={"volatile": ()}))
    web = planned("web", WEB_SWAP)
    first = (backend, web.model_copy(update={"after": ("backend",)}))
    found = prove(first, ALL_BAD, environment(pair), BOTH_PROVE)
    assert (found.broken, found.counterexample) == (
        "no-forbidden-pair",
        ("1. backend#swap starts",),
    )
    second = (web, backend.model_copy(update={"after": ("web",)}))
    assert prove(second, ALL_BAD, environment(pair), BOTH_PROVE).holds
