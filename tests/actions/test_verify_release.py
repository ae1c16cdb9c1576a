"""A release verified from outside, on the simulated platform, as a synthetic user."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from rollback.actions.verify_release import VerifyRelease
from rollback.model.base import facts
from rollback.model.change import NoOp
from rollback.model.observation import Observation, World
from rollback.model.plan import PlannedStep
from rollback.model.steps import VerifyRelease as Spec
from rollback.rehearsal.simulator import names
from rollback.rehearsal.simulator.process import Simulator
from rollback.rehearsal.simulator.stories import already_rolled_back, default_world, instance_id
from tests.actions import loopback
from tests.actions.loopback import VARIABLES, context, halt_authority, opened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rollback.model.environment import Environment
    from rollback.model.ports import Verification

ACTION = VerifyRelease()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with Simulator.start(
        tmp_path_factory.mktemp("simulator"), already_rolled_back(default_world())
    ) as running:
        yield running


@pytest.fixture
def sim(shared: Simulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    monkeypatch.setitem(VARIABLES, "SYNTHETIC_USER", "probe@alpha")
    monkeypatch.setitem(VARIABLES, "SYNTHETIC_PASSWORD", "rehearsal-alpha")
    yield shared
    shared.control.clear_faults()


def environment(sim: Simulator | None, **user: Any) -> Environment:
    made = loopback.environment(sim, halt_authority=halt_authority())
    written = made.model_dump(mode="json")
    written["platform"]["jwt"] = {
        "issuer": f"https://{names.PLATFORM_HOST}",
        "jwks_url": f"https://{names.PLATFORM_HOST}/.well-known/jwks.json",
    }
    written["evidence"] = {}
    written["platform"]["synthetic_user"] = {
        "username": "${SYNTHETIC_USER}",
        "password": "${SYNTHETIC_PASSWORD}",
        "tenant": "alpha",
        "other_tenant": "beta",
        **user,
    }
    for name, surface in written["surfaces"]:
        if name == "backend":
            surface["socket_path"] = "/ws"
        else:
            surface["page_path"] = "/"
    return type(made).model_validate_json(json.dumps(written))


def verified(
    env: Environment, build: str = names.STABLE_BUILD, bake: int = 0
) -> tuple[Verification, list[float]]:
    expects = tuple(
        Observation(
            resource=f"{name}/slot/production",
            compared=facts(builds=(build,) if build else ()),
            at=datetime.now(UTC),
        )
        for name in ("backend", "web")
    )
    planned = PlannedStep(name="verify", action=ACTION.name, spec=(), expects=expects)
    step = context(env, Spec(surfaces=("backend", "web"), bake=bake), "verify")
    with opened(env) as under:
        seen = ACTION.verify(step, planned, under.clients)
        assert under.latch.tripped() is None
        return seen, under.clock.waited


def failed(env: Environment, **more: Any) -> set[str]:
    seen, _ = verified(env, **more)
    assert seen.holds == (not any(not one.holds for one in seen.checks))
    return {one.name for one in seen.checks if not one.holds}


def test_a_good_release_passes_every_check_twice(sim: Simulator) -> None:
    seen, waited = verified(environment(sim), bake=300)
    assert [one for one in seen.checks if not one.holds] == []
    assert seen.holds
    assert waited == [300]
    first = [one.name for one in seen.checks if not one.name.endswith(" after 5 min")]
    assert set(first) == {
        "platform-service is well",
        "sign-in",
        "session refresh",
        "backend: every instance serves the release",
        "backend: control state is read",
        "backend: feature flags are read",
        "backend: a signed-in user reads their own profile",
        "backend: another tenant's data is refused",
        "backend: a new web socket is of the release",
        "backend: a web socket without a token is refused",
        "web: every instance serves the release",
        f"web: page of {names.WEB}.azurewebsites.net and its chunks",
    }
    assert len(seen.checks) == 2 * len(first)


def test_nothing_is_baked_that_does_not_hold_now(sim: Simulator) -> None:
    seen, waited = verified(environment(sim), names.BAD_BUILD, bake=300)
    assert not seen.holds
    assert waited == []


def test_another_build_fails_wherever_it_shows(sim: Simulator) -> None:
    assert failed(environment(sim), build=names.BAD_BUILD) == {
        "backend: every instance serves the release",
        "backend: a new web socket is of the release",
        "web: every instance serves the release",
        f"web: page of {names.WEB}.azurewebsites.net and its chunks",
    }


def test_one_instance_with_another_build_fails(sim: Simulator) -> None:
    sim.control.fault(
        "instance_serves", site=names.BACKEND, slot="production", index=1, build=names.BAD_BUILD
    )
    seen, _ = verified(environment(sim))
    sim.control.fault(
        "instance_serves", site=names.BACKEND, slot="production", index=1, build=None
    )
    (wrong,) = [one for one in seen.checks if one.name.endswith("instance serves the release") and not one.holds]
    assert instance_id(names.BACKEND, "production", 1)[:8] in wrong.seen


def test_platform_down_fails_sign_in(sim: Simulator) -> None:
    sim.control.fault("platform_down")
    assert {"platform-service is well", "sign-in"} <= failed(environment(sim))


def test_another_tenants_data_given_out_fails(sim: Simulator) -> None:
    leak = environment(sim, other_tenant="alpha")
    assert failed(leak) == {"backend: another tenant's data is refused"}


def test_a_token_of_another_tenant_fails(sim: Simulator) -> None:
    assert "session refresh" in failed(environment(sim, tenant="gamma"))


def test_a_wrong_password_fails_without_telling_it(
    sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(VARIABLES, "SYNTHETIC_PASSWORD", "not-the-password")
    seen, _ = verified(environment(sim))
    assert not seen.holds
    assert "not-the-password" not in repr(seen)


@pytest.mark.parametrize(
    ("path", "check"),
    [
        (r"/api/feature-flags", "backend: feature flags are read"),
        (r"/api/control/trading", "backend: control state is read"),
        (r"/api/me/profile", "backend: a signed-in user reads their own profile"),
        (r"/assets/.*", f"web: page of {names.WEB}.azurewebsites.net and its chunks"),
    ],
)
def test_a_failing_path_fails_its_check(sim: Simulator, path: str, check: str) -> None:
    sim.control.fault("status", status=500, path=path, count=0)
    assert failed(environment(sim)) == {check}


def test_a_plan_that_names_no_build_is_not_verified(sim: Simulator) -> None:
    assert "backend: every instance serves the release" in failed(environment(sim), build="")


def test_planning_changes_nothing_and_says_how_long(sim: Simulator) -> None:
    env = environment(sim)
    step = context(env, Spec(surfaces=("backend", "web"), bake=300), "verify")
    with opened(env) as under:
        world = World(observations=ACTION.observe(step, under.clients))
    assert {one.resource for one in world.observations} == {
        "backend/slot/production",
        "web/slot/production",
    }
    assert world.get("web/slot/production", "builds") == (names.STABLE_BUILD,)
    made = ACTION.plan(step, world)
    assert all(isinstance(one, NoOp) for one in made.changes)
    assert made.duration_s_max >= 300
    assert made.findings == ()


def test_without_a_synthetic_user_the_plan_says_what_is_not_verified() -> None:
    (found,) = ACTION.plan(context(loopback.environment(), Spec(surfaces=("web",))), World()).findings
    assert found.code == "verify.no-synthetic-user"
