"""Messages to each service, against the simulated ones: their bodies, once, and no secret told."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from rollback.actions.notify import Notify, marker
from rollback.connectors.secrets import VariableSecrets
from rollback.errors import ConnectorError, GuardRefusal, InputError
from rollback.guard.rules.effects import judge_effect
from rollback.guard.rules.perimeter import perimeter_of
from rollback.model.change import NoOp, Update
from rollback.model.environment import Channel
from rollback.model.observation import World
from rollback.model.record import Outcome
from rollback.model.scope import Phase, VerdictKind
from rollback.model.steps import Notify as NotifySpec
from rollback.planning.canonical import canonical
from rollback.rehearsal.simulator import names
from rollback.rehearsal.simulator.process import Simulator
from rollback.rehearsal.simulator.stories import default_world
from tests.actions.loopback import VARIABLES, Opened, context, environment, opened
from tests.builders import NOW, make_plan
from tests.rendering.hostile import FORGERIES, saying

if TYPE_CHECKING:
    from pathlib import Path

    from rollback.model.plan import Plan
    from rollback.model.ports import StepContext

HOST = names.WEBHOOK_HOST
CANARY = "canaryQ7xZ2"
ADDRESSES = {
    "SLACK": f"https://{HOST}/services/T01/B02/{CANARY}",
    "TEAMS": f"https://{HOST}/workflows/f1/triggers/manual/paths/invoke?api-version=1&sig={CANARY}",
    "JIRA_TOKEN": CANARY,
    "JIRA_USER": "desk@example.net",
}
CHANNELS = [
    {
        "name": "slack",
        "kind": "slack",
        "address": "${SLACK}",
        "host": HOST,
        "path": "/services/{key}",
    },
    {
        "name": "teams",
        "kind": "teams",
        "address": "${TEAMS}",
        "host": HOST,
        "path": "/workflows/{key}",
        "query": ["api-version", "sig"],
    },
    {
        "name": "github",
        "kind": "github",
        "token": "${GITHUB_TOKEN}",
        "host": names.GITHUB_HOST,
        "path": f"/repos/{names.REPOSITORY}/issues/{{incident}}/comments",
    },
    {
        "name": "jira",
        "kind": "jira",
        "token": "${JIRA_TOKEN}",
        "user": "${JIRA_USER}",
        "host": HOST,
        "path": "/rest/api/2/issue/{incident}/comment",
    },
]
INCIDENTS = {"github": "#4711", "jira": "INC-4711"}
SERVICES = ("slack", "teams", "github", "jira")


@pytest.fixture(autouse=True)
def addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ADDRESSES.items():
        monkeypatch.setitem(VARIABLES, name, value)


def step_of(
    sim: Simulator, channel: str, about: str = "plan", plan: Plan | None = None, **more: Any
) -> StepContext:
    env = environment(sim, channels=CHANNELS)
    spec = NotifySpec(channel=channel, about=about)  # type: ignore[arg-type]
    incident = INCIDENTS.get(channel, "INC-4711")
    return context(
        env, spec, "tell", incident=incident, created=NOW, plan=plan or make_plan(), **more
    )


def planned(step: StepContext) -> Update:
    (change,) = Notify().plan(step, World()).changes
    assert isinstance(change, Update)
    return change


def sent(step: StepContext, change: Update) -> Opened:
    with opened(step.environment, change.effects, phase=Phase.APPLY) as under:
        performed = Notify().perform(step, change, under.clients)
        looked = Notify().look(step, change, under.clients, performed.facts)
        assert looked.outcome is Outcome.APPLIED
    return under


def texts(sim: Simulator, channel: str) -> list[str]:
    """What people read there."""
    world = sim.control.world()
    if channel in INCIDENTS:
        return list(world.comments.get(INCIDENTS[channel].removeprefix("#"), []))
    if channel == "slack":
        return [str(one["text"]) for one in world.incidents if "text" in one]
    cards = [one["attachments"][0]["content"] for one in world.incidents if "attachments" in one]
    return ["\n".join(block["inlines"][0]["text"] for block in card["body"]) for card in cards]


@pytest.mark.parametrize("about", ["plan", "outcome"])
@pytest.mark.parametrize("channel", SERVICES)
def test_each_service_takes_the_message(simulator: Simulator, channel: str, about: str) -> None:
    step = step_of(simulator, channel, about)
    change = planned(step)
    (effect,) = change.effects
    verdict = judge_effect(effect, perimeter_of(step.environment), step.environment)
    assert verdict.kind is VerdictKind.ALLOW
    before = len(texts(simulator, channel))
    sent(step, change)
    (said,) = texts(simulator, channel)[before:]
    assert "full-rollback" in said
    assert ("APPLICABLE" if about == "plan" else "SO FAR") in said
    assert "EXPOSED" in said


@pytest.mark.parametrize("channel", ["github", "jira"])
def test_what_can_be_searched_is_posted_once_a_plan_and_kind(
    simulator: Simulator, channel: str
) -> None:
    step = step_of(simulator, channel, plan=make_plan(nonce="1" * 32))
    before = len(texts(simulator, channel))
    for _ in range(2):  # another run, another machine: a fresh permission, the same plan
        sent(step, planned(step))
    assert len(texts(simulator, channel)) == before + 1
    assert marker(step) in texts(simulator, channel)[-1]
    other = replace(step, spec=NotifySpec(channel=channel, about="outcome"))
    sent(other, planned(other))
    again = replace(step, plan=make_plan(nonce="2" * 32))
    sent(again, planned(again))
    assert len(texts(simulator, channel)) == before + 3


def test_a_marker_beyond_the_first_page_is_found(tmp_path: Path) -> None:
    """Ours is the oldest of 201 comments in one issue, and the newest in another."""
    env = environment(channels=CHANNELS)
    steps = [
        context(env, NotifySpec(channel="github", about="plan"), "tell", incident=issue, created=NOW, plan=make_plan())
        for issue in ("81", "82")
    ]  # fmt: skip
    world = default_world()
    for step, ours in zip(steps, (0, 200), strict=True):
        said = [f"talk {index}" for index in range(201)]
        said[ours] = f"marker: `{marker(step)}`"
        world.comments[step.incident or ""] = said
    with Simulator.start(tmp_path, world) as sim:
        for step in steps:
            there = replace(step, environment=environment(sim, channels=CHANNELS))
            sent(there, planned(there))
            assert len(sim.control.world().comments[step.incident or ""]) == 201


@pytest.mark.parametrize("channel", ["github", "jira"])
def test_a_lost_answer_is_resolved_by_its_marker(simulator: Simulator, channel: str) -> None:
    step = step_of(simulator, channel, plan=make_plan(nonce="4" * 32))
    change = planned(step)
    host = change.effects[0].host  # type: ignore[union-attr]
    for took_effect, outcome in ((False, Outcome.NOT_APPLIED), (True, Outcome.APPLIED)):
        simulator.control.fault("drop", host=host, method="POST", effect=took_effect)
        with opened(step.environment, change.effects, phase=Phase.APPLY) as under:
            with pytest.raises(ConnectorError):
                Notify().perform(step, change, under.clients)
            assert Notify().look(step, change, under.clients, ()).outcome is outcome


def test_a_service_that_cannot_be_searched_leaves_it_unknown(simulator: Simulator) -> None:
    step = step_of(simulator, "jira", plan=make_plan(nonce="5" * 32))
    simulator.control.fault("webhook_down")
    with opened(step.environment, planned(step).effects, phase=Phase.APPLY) as under:
        with pytest.raises(ConnectorError):
            Notify().perform(step, planned(step), under.clients)
        assert not under.ledger.spent, "it is not sent where it cannot be looked for"
        looked = Notify().look(step, planned(step), under.clients, ())
        assert looked.outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("channel", SERVICES)
def test_the_address_is_told_to_nobody(
    simulator: Simulator, channel: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    step = step_of(simulator, channel, plan=make_plan(nonce="6" * 32))
    change = planned(step)
    under = sent(step, change)
    told = [repr(change), repr(under.exchanges.__dict__), repr(under.ledger.__dict__), caplog.text]
    simulator.control.fault("status", host=change.effects[0].host, status=500, method="POST")  # type: ignore[union-attr]
    with opened(step.environment, change.effects, phase=Phase.APPLY) as again:
        other = replace(step, plan=make_plan(nonce="7" * 32))
        with pytest.raises(ConnectorError) as caught:
            Notify().perform(other, change, again.clients)
        with pytest.raises(GuardRefusal) as refused:
            Notify().perform(other, change, again.clients)
    told += [str(caught.value), repr(caught.value), str(refused.value), caplog.text]
    told += [repr(again.latch.__dict__), repr(again.exchanges.__dict__)]
    for text in told:
        assert CANARY not in text


@pytest.mark.parametrize(
    "address",
    [
        f"http://{HOST}/services/a/b/c",
        "https://elsewhere.example/services/a/b/c",
        f"https://{HOST}/incident",
        f"https://{HOST}/services/a/b/c?more=1",
        f"https://user@{HOST}/services/a/b/c",
        "https://[",
    ],
)
def test_an_address_that_leads_elsewhere_is_refused_before_it_is_used(
    simulator: Simulator, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(VARIABLES, "SLACK", address)
    step = step_of(simulator, "slack")
    with (
        opened(step.environment, planned(step).effects, phase=Phase.APPLY) as under,
        pytest.raises(InputError) as caught,
    ):
        Notify().perform(step, planned(step), under.clients)
    assert address not in str(caught.value)
    assert not under.ledger.spent


@pytest.mark.parametrize("channel", SERVICES)
@pytest.mark.parametrize("text", [text for text in FORGERIES if text and "\ud800" not in text])
def test_a_hostile_world_cannot_write_in_our_name(
    simulator: Simulator, channel: str, text: str
) -> None:
    step = step_of(simulator, channel, plan=saying(text))
    sent(step, planned(step))
    said = texts(simulator, channel)[-1]
    if channel == "slack":
        assert "<" not in said
        assert said.count("`") == 6
    if channel == "jira":
        assert said.count("{noformat") == 2
    assert not [char for char in said if char < " " and char != "\n"]


@pytest.mark.parametrize(
    ("channel", "incident"),
    [
        ("github", "INC-4711"),
        ("github", None),
        ("jira", "4711"),
        ("jira", "../INC-1"),
        ("jira", None),
    ],
)
def test_an_incident_that_names_no_issue_stops_nothing(
    simulator: Simulator, channel: str, incident: str | None
) -> None:
    step = replace(step_of(simulator, channel), incident=incident)
    made = Notify().plan(step, World())
    assert isinstance(made.changes[0], NoOp)
    assert made.findings[0].weight == "weak"


@pytest.mark.parametrize(
    "changed",
    [
        {"kind": "slack", "token": "${TOKEN}"},
        {"kind": "slack", "address": None},
        {"kind": "github"},
        {"kind": "github", "token": "${TOKEN}", "address": None},
        {"kind": "jira", "token": "${T}", "address": None, "path": "/rest/api/3/issue/A-1/comment"},
        {
            "kind": "jira",
            "token": "${T}",
            "address": None,
            "query": ["a"],
            "path": "/rest/api/2/issue/A-1/comment",
        },
    ],
)
def test_a_channel_is_whole_or_refused(changed: dict[str, Any]) -> None:
    whole = {"name": "x", "address": "${A}", "host": HOST, "path": "/incident"}
    Channel.model_validate(whole)
    with pytest.raises(ValueError, match=r"channel|path"):
        Channel.model_validate(whole | changed)


def test_a_message_fits_what_the_permission_allows(simulator: Simulator) -> None:
    big = make_plan(summary="\u4e16" * 20_000, planned_by="w" * 20_000)
    for channel in SERVICES:
        step = step_of(simulator, channel, plan=big)
        sent(step, planned(step))
    assert len(canonical(big)) > 60_000


def test_secrets_of_channels_are_blotted_like_all_others() -> None:
    secrets = VariableSecrets(ADDRESSES)
    channel = Channel.model_validate(CHANNELS[0])
    assert channel.address is not None
    secrets.get(channel.address)
    assert CANARY not in secrets.redact(f"failed: {ADDRESSES['SLACK']}")
