"""Playbook steps in order: expansion, triggers, dependencies through what is left out, parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollback.errors import ExitStatus, InputError, ProductDefect
from rollback.model.environment import Environment
from rollback.model.playbook import Parameter, Playbook, Step
from rollback.model.steps import (
    HaltRollout,
    Notify,
    RestoreTraffic,
    RetainTradeHalt,
    RevertDeployment,
    SnapshotAuditLogs,
    StepSpec,
    VerifyRelease,
)
from rollback.planning.order import OrderedStep, order_steps, read_parameters
from rollback.planning.triggers import BACKEND_FIRST, Trigger, read_trigger, revert_order
from tests.planning.dumb_fold import ancestors

SURFACES = ("backend", "web", "mobile", "kiosk")


def environment(*unsupported: str) -> Environment:
    """Four surfaces; those named cannot be rolled back."""
    site = {"provider": "app-service", "site": "trading", "hosts": ["x.example.net"]}
    person = {"provider": "unsupported", "human_step": "halt the staged release"}
    return Environment.model_validate(
        {
            "environment": "rehearsal",
            "kind": "rehearsal",
            "owner": {"name": "Trading", "contact": "trading@example.net"},
            "platform": {
                "api_url": "https://platform.example.net",
                "jwt": {"issuer": "x", "jwks_url": "https://platform.example.net/jwks"},
            },
            "cosmos": {
                "endpoint": "https://cosmos.example.net",
                "database": "trading",
                "entra": True,
                "control_containers": ["control"],
                "audit_containers": ["audit"],
            },
            "azure": {"subscription": "0b1f", "resource_group": "trading"},
            "halt_authority": {
                "token": "${HALT_TOKEN}",
                "refused_token": "${REFUSED_TOKEN}",
                "scopes": ["global"],
            },
            "surfaces": [(name, person if name in unsupported else site) for name in SURFACES],
        }
    )


def step(name: str, spec: StepSpec, *after: str, **over: Any) -> Step:
    """A declared step."""
    return Step(name=name, spec=spec, after=after, **over)


def playbook(*steps: Step, parameters: tuple[Parameter, ...] = ()) -> Playbook:
    """A playbook of steps."""
    return Playbook(playbook="test", summary="", steps=steps, parameters=parameters)


def ordered(
    *steps: Step,
    backend_first: bool = False,
    unsupported: tuple[str, ...] = (),
    volatile: tuple[str, ...] = (),
) -> dict[str, OrderedStep]:
    """The steps by name, in the order they are planned."""
    made = order_steps(
        playbook(*steps),
        environment(*unsupported),
        (),
        backend_first=backend_first,
        volatile_before=volatile,
    )
    return {one.name: one for one in made}


def revert(*surfaces: str, **over: Any) -> RevertDeployment:
    """A revert of surfaces."""
    return RevertDeployment(surfaces=surfaces, **over)


# --- expansion -----------------------------------------------------------------------------------


def test_a_revert_becomes_one_step_a_surface_chained() -> None:
    made = ordered(
        step("halt", HaltRollout(surfaces=("web", "backend"))),
        step("revert", revert("backend", "web", "mobile", to="b-1"), "halt", on_failure="continue"),
        step("verify", VerifyRelease(surfaces=("web",)), "revert"),
    )
    reverts = ("revert/mobile", "revert/web", "revert/backend")
    assert tuple(made) == ("halt", *reverts, "verify")
    assert [made[name].after for name in reverts] == [
        ("halt",),
        ("halt", "revert/mobile"),
        ("halt", "revert/web"),
    ]
    for name in reverts:
        surface = name.removeprefix("revert/")
        assert made[name].surface == surface
        assert made[name].spec == revert(surface, to="b-1")
        assert made[name].on_failure == "continue"
    assert made["verify"].after == reverts


@pytest.mark.parametrize("trigger", Trigger)
def test_the_trigger_says_which_surface_goes_first(trigger: Trigger) -> None:
    first = trigger in BACKEND_FIRST
    made = ordered(step("revert", revert("backend", "web", "mobile")), backend_first=first)
    expected = {
        Trigger.SIGN_IN_FAILING: ("mobile", "web", "backend"),
        Trigger.TENANT_LEAK: ("backend", "mobile", "web"),
        Trigger.HALT_NOT_APPLYING: ("backend", "mobile", "web"),
        Trigger.CONFIGURATION_WRITES_FAILING: ("mobile", "web", "backend"),
        Trigger.CLIENTS_NOT_RECOVERING: ("mobile", "web", "backend"),
    }
    assert tuple(one.surface for one in made.values()) == expected[trigger]
    assert read_trigger(trigger.value) is trigger


def test_no_trigger_is_none_and_a_wrong_one_names_the_right_ones() -> None:
    assert read_trigger(None) is None
    with pytest.raises(InputError) as raised:
        read_trigger("market-closed")
    assert raised.value.code == "input.unknown-trigger"
    assert all(trigger.value in raised.value.hint for trigger in Trigger)


def test_as_written_is_as_written_whatever_the_trigger() -> None:
    written = ("web", "backend", "mobile")
    for first in (False, True):
        made = ordered(step("revert", revert(*written, order="as-written")), backend_first=first)
        assert tuple(one.surface for one in made.values()) == written


def test_surfaces_outside_the_cutover_come_last_as_written() -> None:
    assert revert_order(("kiosk", "web", "till", "backend"), backend_first=False) == (
        "web",
        "backend",
        "kiosk",
        "till",
    )
    assert revert_order(("kiosk",), backend_first=True) == ("kiosk",)


@given(st.permutations(("backend", "web", "mobile", "kiosk", "till")), st.booleans())
def test_the_order_of_reverts_loses_and_invents_nothing(surfaces: list[str], first: bool) -> None:
    made = revert_order(tuple(surfaces), backend_first=first)
    assert sorted(made) == sorted(surfaces)
    assert [name for name in made if name not in ("backend", "web", "mobile")] == [
        name for name in surfaces if name in ("kiosk", "till")
    ]
    assert (made[0] == "backend") is first


def test_a_revert_of_one_surface_keeps_its_name() -> None:
    made = ordered(step("revert", revert("web")), step("next", RetainTradeHalt(), "revert"))
    assert made["revert"].surface == "web"
    assert made["next"].after == ("revert",)


def test_other_steps_are_not_taken_apart() -> None:
    made = ordered(step("traffic", RestoreTraffic(surfaces=("web", "backend"))))
    assert made["traffic"].spec == RestoreTraffic(surfaces=("web", "backend"))
    assert made["traffic"].surface is None


# --- what the product cannot roll back -----------------------------------------------------------


def test_an_unsupported_surface_is_left_out() -> None:
    made = ordered(
        step("halt", HaltRollout(surfaces=("backend", "mobile"))),
        step("revert", revert("mobile", "web", "backend"), "halt"),
        unsupported=("mobile",),
    )
    assert tuple(made) == ("halt", "revert/web", "revert/backend")
    assert made["halt"].spec == HaltRollout(surfaces=("backend",))


def test_what_waited_for_a_step_that_is_left_out_waits_for_what_that_waited_for() -> None:
    made = ordered(
        step("halt", HaltRollout(surfaces=("backend",))),
        step("revert", revert("mobile"), "halt"),
        step("traffic", RestoreTraffic(surfaces=("mobile",)), "revert"),
        step("verify", VerifyRelease(surfaces=("web",)), "traffic"),
        unsupported=("mobile",),
    )
    assert tuple(made) == ("halt", "verify")
    assert made["verify"].after == ("halt",)


def test_waiting_goes_through_a_left_out_step_to_every_surface_of_a_revert() -> None:
    made = ordered(
        step("revert", revert("web", "backend")),
        step("mobile", revert("mobile"), "revert"),
        step("verify", VerifyRelease(surfaces=("web",)), "mobile"),
        unsupported=("mobile",),
    )
    assert made["verify"].after == ("revert/web", "revert/backend")


def test_a_left_out_step_that_waits_for_nothing_holds_nobody_up() -> None:
    made = ordered(
        step("mobile", revert("mobile")),
        step("verify", VerifyRelease(surfaces=("web",)), "mobile"),
        unsupported=("mobile",),
    )
    assert made["verify"].after == ()


def test_a_surface_that_the_environment_does_not_have_is_named() -> None:
    with pytest.raises(InputError) as raised:
        ordered(step("revert", revert("web", "desktop")))
    error = raised.value
    assert (error.code, error.exit_status) == ("input.unknown-surface", ExitStatus.USAGE)
    assert "'desktop'" in error.reason
    assert all(name in error.hint for name in SURFACES)


# --- cycles --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "steps",
    [
        (step("a", RetainTradeHalt(), "a"),),
        (step("a", RetainTradeHalt(), "b"), step("b", RetainTradeHalt(), "a")),
        (
            step("a", RetainTradeHalt(), "revert"),
            step("revert", revert("web", "backend"), "b"),
            step("b", RetainTradeHalt(), "a"),
        ),
    ],
    ids=["itself", "each other", "through a revert"],
)
def test_steps_that_wait_for_each_other_are_named(steps: tuple[Step, ...]) -> None:
    with pytest.raises(InputError) as raised:
        ordered(*steps)
    assert raised.value.code == "input.cycle"
    assert all(one.name in raised.value.reason for one in steps)


@pytest.mark.parametrize("third", ["mobile", "verify"])
def test_a_cycle_through_a_step_that_is_left_out_is_a_cycle(third: str) -> None:
    with pytest.raises(InputError) as raised:
        ordered(
            step("verify", VerifyRelease(surfaces=("web",)), "mobile"),
            step("mobile", revert("mobile"), "traffic"),
            step("traffic", RestoreTraffic(surfaces=("mobile",)), third),
            unsupported=("mobile",),
        )
    assert raised.value.code == "input.cycle"


def test_a_long_chain_of_left_out_steps_is_followed_to_its_end() -> None:
    chain = [step(f"m-{at}", revert("mobile"), f"m-{at - 1}") for at in range(1, 1500)]
    made = ordered(
        step("verify", VerifyRelease(surfaces=("web",)), chain[-1].name),
        *reversed(chain),
        step("m-0", RetainTradeHalt()),
        unsupported=("mobile",),
    )
    assert {name: one.after for name, one in made.items()} == {"m-0": (), "verify": ("m-0",)}


def test_two_steps_that_come_to_share_a_name_are_a_defect() -> None:
    with pytest.raises(ProductDefect, match="share a name"):
        ordered(step("revert", revert("web", "backend")), step("revert/web", RetainTradeHalt()))


# --- captures ------------------------------------------------------------------------------------


def test_a_step_may_not_pass_for_a_capture_of_the_planner() -> None:
    steps = (Step(name="capture-before/revert", spec=SnapshotAuditLogs()),)
    with pytest.raises(InputError) as caught:
        order_steps(playbook(*steps), environment(), (), backend_first=False)
    assert caught.value.code == "input.step-name"


def test_a_step_that_endangers_evidence_gets_a_capture_of_its_own() -> None:
    made = ordered(
        step("halt", HaltRollout(surfaces=("web",))),
        step("revert", revert("web", "backend"), "halt"),
        volatile=("revert/backend",),
    )
    capture = made["capture-before/revert/backend"]
    assert (capture.implied, capture.on_failure) == (True, "stop")
    assert capture.spec == SnapshotAuditLogs(window="run", sources="volatile")
    assert capture.after == ("halt", "revert/web")
    assert made["revert/backend"].after == ("halt", "revert/web", capture.name)
    assert not any(one.implied for name, one in made.items() if name != capture.name)


# --- parameters ----------------------------------------------------------------------------------

TO = Parameter(name="to", default="last-stable")
WAY = Parameter(name="way", default="auto", choices=("auto", "swap"))


def test_parameters_are_defaults_overridden_in_name_order() -> None:
    read = read_parameters(
        playbook(step("a", RetainTradeHalt()), parameters=(WAY, TO)), {"to": "b-1"}
    )
    assert [(fact.name, fact.value) for fact in read] == [("to", "b-1"), ("way", "auto")]


@pytest.mark.parametrize(
    ("given_", "code", "hint"),
    [
        ({"too": "b-1"}, "input.unknown-parameter", "to, way"),
        ({"way": "artifact"}, "input.parameter-value", "auto, swap"),
    ],
)
def test_wrong_parameters_are_refused_with_the_right_ones(
    given_: Mapping[str, str], code: str, hint: str
) -> None:
    with pytest.raises(InputError) as raised:
        read_parameters(playbook(step("a", RetainTradeHalt()), parameters=(TO, WAY)), given_)
    assert raised.value.code == code
    assert hint in raised.value.hint


def _with(given_: Mapping[str, str], one: Step, *parameters: Parameter) -> tuple[StepSpec, ...]:
    book = playbook(one, parameters=parameters)
    read = read_parameters(book, given_)
    return tuple(made.spec for made in order_steps(book, environment(), read, backend_first=False))


def test_parameters_are_put_into_every_surface_of_a_revert() -> None:
    one = step("revert", revert("web", "backend"), references=(("to", "to"), ("way", "way")))
    assert _with({"to": "b-7", "way": "swap"}, one, TO, WAY) == (
        revert("web", to="b-7", way="swap"),
        revert("backend", to="b-7", way="swap"),
    )
    assert _with({}, one, TO, WAY) == (revert("web"), revert("backend"))


def test_a_parameter_is_read_like_the_field_it_fills() -> None:
    bake = Parameter(name="bake", default="5m")
    one = step("verify", VerifyRelease(surfaces=("web",)), references=(("bake", "bake"),))
    assert _with({}, one, bake) == (VerifyRelease(surfaces=("web",), bake=300),)
    assert _with({"bake": "90s"}, one, bake) == (VerifyRelease(surfaces=("web",), bake=90),)
    with pytest.raises(InputError) as raised:
        _with({"bake": "soon"}, one, bake)
    assert raised.value.code == "input.parameter-value"
    assert raised.value.reason == "parameter bake cannot be 'soon': it is bake of step verify"
    assert raised.value.hint == "write a whole number, or a duration like 90s, 5m or 24h"


# --- properties ----------------------------------------------------------------------------------

SPECS: dict[str, Callable[[tuple[str, ...]], StepSpec]] = {
    "revert": lambda surfaces: RevertDeployment(surfaces=surfaces),
    "verify": lambda surfaces: VerifyRelease(surfaces=surfaces),
    "prove": lambda _: RetainTradeHalt(),
    "notify": lambda _: Notify(channel="desk"),
}


@st.composite
def playbooks(draw: st.DrawFn) -> tuple[Step, ...]:
    """Steps that wait for others declared anywhere in the file, without cycles."""
    names = [f"step-{at}" for at in range(draw(st.integers(1, 7)))]
    made = []
    for at, name in enumerate(names):
        surfaces = draw(st.lists(st.sampled_from(SURFACES), min_size=1, unique=True))
        after = draw(st.lists(st.sampled_from(names[:at]), unique=True)) if at else []
        made.append(
            step(name, SPECS[draw(st.sampled_from(sorted(SPECS)))](tuple(surfaces)), *after)
        )
    return tuple(draw(st.permutations(made)))


def _before(steps: tuple[Step, ...], name: str) -> set[str]:
    """Everything declared to come before a step, dumbly."""
    after = {one.name: one.after for one in steps}
    found = set(after[name])
    for _ in steps:
        found |= {other for before in found for other in after[before]}
    return found


@given(
    playbooks(),
    st.sets(st.sampled_from(SURFACES)),
    st.booleans(),
    st.sets(st.integers(0, 6), max_size=3),
)
def test_any_result_is_in_order_and_keeps_every_wait(
    steps: tuple[Step, ...], unsupported: set[str], first: bool, endangering: set[int]
) -> None:
    away = tuple(sorted(unsupported))
    plain = list(ordered(*steps, backend_first=first, unsupported=away))
    volatile = tuple(name for at, name in enumerate(plain) if at in endangering)
    made = ordered(*steps, backend_first=first, unsupported=away, volatile=volatile)
    names = list(made)
    # Topological, and closed: nothing waits for what is not in the plan.
    for at, name in enumerate(names):
        assert set(made[name].after) <= set(names[:at])
        assert len(set(made[name].after)) == len(made[name].after)
    # Whatever was declared to come before surely does, through left-out steps too.
    waits = {name: one.after for name, one in made.items()}
    for later in names:
        owner = later.removeprefix("capture-before/").split("/")[0]
        declared = _before(steps, owner)
        sure = ancestors(waits, later)
        for earlier in names:
            if not made[earlier].implied and earlier.split("/")[0] in declared:
                assert earlier in sure
    # Nothing is lost but what cannot be rolled back, and captures are all that is added.
    assert [name for name in names if not made[name].implied] == sorted(plain, key=names.index)
    assert {name for name in names if made[name].implied} == {
        f"capture-before/{name}" for name in volatile
    }
    reached = {(one.name, name) for one in steps for name in getattr(one.spec, "surfaces", ())}
    kept = {(one.split("/")[0], name) for one in plain for name in _surfaces(made[one])}
    assert kept == {(one, name) for one, name in reached if name not in unsupported}
    # The same input gives the same order.
    assert ordered(*steps, backend_first=first, unsupported=away, volatile=volatile) == made


def _surfaces(one: OrderedStep) -> tuple[str, ...]:
    found: tuple[str, ...] = getattr(one.spec, "surfaces", ())
    return found


@given(playbooks())
def test_free_steps_stay_as_written(steps: tuple[Step, ...]) -> None:
    free = tuple(one.model_copy(update={"after": ()}) for one in steps)
    made = ordered(*free)
    assert list(dict.fromkeys(name.split("/")[0] for name in made)) == [one.name for one in steps]
