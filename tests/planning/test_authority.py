"""Halt authority judged, against an oracle that is too simple to be wrong in the same way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollback.model.authority import (
    AuthorityProbe,
    AuthorityReading,
    ScopeClaim,
    Strength,
    Verdict,
    WeakProof,
)
from rollback.model.environment import HaltAuthority, Secret
from rollback.planning.authority import finding, from_observation, judge, to_observation

NOW = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
SCOPES = ("global", "tenant", "strategy")
INSTANCES = ("i-one", "i-two", "i-three")


def halt(**changes: Any) -> HaltAuthority:
    values: dict[str, Any] = {
        "token": Secret(variable="OPERATOR_TOKEN"),
        "refused_token": Secret(variable="REFUSED_TOKEN"),
        "scopes": SCOPES,
        "weak_proofs": ("state-read", "permission-check"),
    }
    return HaltAuthority.model_construct(**{**HaltAuthority(**values).__dict__, **changes})


def probe(instance: str, **changes: Any) -> AuthorityProbe:
    values: dict[str, Any] = {
        "surface": "backend",
        "slot": "production",
        "instance": instance,
        "answered": True,
        "status": 200,
        "nonce_matches": True,
        "instance_matches": True,
        "build": "2026.11.2",
        "scopes": tuple(ScopeClaim(scope=scope, can_halt=True) for scope in SCOPES),
        "schema_document": 4,
        "schema_min": 3,
        "schema_max": 5,
        "store_reachable": True,
        "at": NOW,
    }
    return AuthorityProbe.model_validate({**values, **changes})


def claims(can_halt: bool) -> tuple[ScopeClaim, ...]:
    return tuple(ScopeClaim(scope=scope, can_halt=can_halt) for scope in SCOPES)


def control(instance: str, **changes: Any) -> AuthorityProbe:
    return probe(instance, **{"control": True, "scopes": claims(False), **changes})


SILENT = {"answered": False, "status": None, "scopes": (), "problem": "nobody answered"}
MISSING = {"answered": False, "status": 404, "scopes": (), "problem": "no such endpoint"}


def reading(
    probes: list[AuthorityProbe] | None = None,
    controls: list[AuthorityProbe] | None = None,
    **changes: Any,
) -> AuthorityReading:
    values: dict[str, Any] = {
        "slot": "production",
        "instances": INSTANCES,
        "probes": [probe(one) for one in INSTANCES] if probes is None else probes,
        "controls": [control(one) for one in INSTANCES] if controls is None else controls,
        "at": NOW,
    }
    return AuthorityReading.model_validate({**values, **changes})


def with_one(**changes: Any) -> list[AuthorityProbe]:
    return [probe(INSTANCES[0], **changes), *(probe(one) for one in INSTANCES[1:])]


def test_every_instance_proves_every_scope() -> None:
    judged = judge(reading(), halt(), NOW)
    assert (judged.verdict, judged.strength) == (Verdict.RETAINED, Strength.STRONG)
    assert judged.builds == ("2026.11.2",)
    assert judged.control_schema == (4, 3, 5)
    assert judged.scopes == tuple(sorted(SCOPES))
    assert finding(judged, "backend") is None


@pytest.mark.parametrize(
    ("changes", "verdict", "says"),
    [
        ({"scopes": claims(False)}, Verdict.LOST, "denies halting"),
        ({"scopes": (ScopeClaim(scope="tenant", can_halt=False),)}, Verdict.LOST, "tenant"),
        ({"scopes": claims(True)[:2]}, Verdict.UNKNOWN, "nothing of scope strategy"),
        ({"nonce_matches": False}, Verdict.UNKNOWN, "nonce"),
        ({"nonce_matches": False, "scopes": claims(False)}, Verdict.UNKNOWN, "nonce"),
        ({"instance_matches": False}, Verdict.UNKNOWN, "another instance"),
        ({"store_reachable": False}, Verdict.UNKNOWN, "store"),
        ({"at": NOW - timedelta(seconds=31)}, Verdict.UNKNOWN, "older than 30 s"),
        ({"at": NOW + timedelta(seconds=31)}, Verdict.UNKNOWN, "older than 30 s"),
        ({"at": NOW - timedelta(seconds=30)}, Verdict.RETAINED, "3 of 3"),
        (SILENT, Verdict.UNKNOWN, "nobody answered"),
        (MISSING, Verdict.UNKNOWN, "no such endpoint"),
        ({"answered": False, "status": 403, "problem": "403"}, Verdict.UNKNOWN, "403"),
    ],
)
def test_one_instance_differs(changes: dict[str, Any], verdict: Verdict, says: str) -> None:
    judged = judge(reading(with_one(**changes)), halt(), NOW)
    assert judged.verdict is verdict
    assert says in "; ".join(judged.reasons)


def test_an_instance_that_was_not_asked_proves_nothing() -> None:
    judged = judge(reading([probe(one) for one in INSTANCES[:2]]), halt(), NOW)
    assert judged.verdict is Verdict.UNKNOWN
    assert "not asked" in "; ".join(judged.reasons)


def test_an_instance_that_left_is_not_held_against_the_rest() -> None:
    left = probe("i-gone", **SILENT)
    judged = judge(reading([*(probe(one) for one in INSTANCES), left]), halt(), NOW)
    assert judged.verdict is Verdict.RETAINED


def test_no_instances_is_not_all_instances() -> None:
    judged = judge(reading([], [], instances=()), halt(), NOW)
    assert judged.verdict is Verdict.UNKNOWN


def test_yes_to_everyone_proves_nothing() -> None:
    judged = judge(reading(None, [control(INSTANCES[1], scopes=claims(True))]), halt(), NOW)
    assert judged.verdict is Verdict.UNKNOWN
    assert "yes to everyone" in judged.reasons[0]
    assert (seen := finding(judged, "backend")) is not None
    assert seen.code == "authority.unknown"


@pytest.mark.parametrize(
    "controls",
    [
        [],
        [control(INSTANCES[0], **SILENT)],
        [control(INSTANCES[0], nonce_matches=False)],
        [control(INSTANCES[0], scopes=())],
        [control(INSTANCES[0], at=NOW - timedelta(minutes=5))],
        [control(INSTANCES[0]), control(INSTANCES[1], **MISSING)],
    ],
)
def test_a_control_not_seen_refused_proves_nothing(controls: list[AuthorityProbe]) -> None:
    assert judge(reading(None, controls), halt(), NOW).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize("status", [401, 403])
def test_a_control_refused_by_status(status: int) -> None:
    refused = control(INSTANCES[0], **{**SILENT, "status": status})
    assert judge(reading(None, [refused]), halt(), NOW).verdict is Verdict.RETAINED


@pytest.mark.parametrize(("rounds", "verdict"), [(2, Verdict.UNKNOWN), (3, Verdict.LOST)])
def test_silence_of_all_for_the_agreed_number_of_probes(rounds: int, verdict: Verdict) -> None:
    silent = [
        probe(one, **SILENT, at=NOW - timedelta(seconds=n))
        for n in range(rounds)
        for one in INSTANCES
    ]
    assert judge(reading(silent, []), halt(), NOW).verdict is verdict


def test_silence_of_one_for_less_than_that_is_not_yet_lost() -> None:
    silent = [
        probe(one, **SILENT, at=NOW - timedelta(seconds=n))
        for n in range(3)
        for one in INSTANCES
        if (one, n) != (INSTANCES[2], 0)
    ]
    assert judge(reading(silent, []), halt(), NOW).verdict is Verdict.UNKNOWN


def test_in_flight_one_proved_path_is_enough() -> None:
    probes = [probe(INSTANCES[0]), *(probe(one, **SILENT) for one in INSTANCES[1:])]
    assert judge(reading(probes), halt(), NOW).verdict is Verdict.UNKNOWN
    flying = judge(reading(probes), halt(), NOW, in_flight=True)
    assert flying.verdict is Verdict.RETAINED
    assert any("nobody answered" in reason for reason in flying.reasons)


def weak(kind: str, *, holds: bool = True, at: datetime = NOW) -> WeakProof:
    return WeakProof(kind=kind, holds=holds, detail="looked", at=at)


BOTH = [weak("state-read"), weak("permission-check")]


@pytest.mark.parametrize(
    ("proofs", "verdict"),
    [
        (BOTH, Verdict.RETAINED),
        (BOTH[:1], Verdict.UNKNOWN),
        ([weak("state-read"), weak("state-read")], Verdict.UNKNOWN),
        ([weak("state-read"), weak("heartbeat-age")], Verdict.UNKNOWN),
        ([weak("state-read"), weak("permission-check", holds=False)], Verdict.UNKNOWN),
        ([weak("state-read"), weak("permission-check", at=NOW - timedelta(hours=1))], Verdict.UNKNOWN),
        ([], Verdict.UNKNOWN),
    ],
)
def test_without_an_endpoint_two_classes_of_weak_proof(
    proofs: list[WeakProof], verdict: Verdict
) -> None:
    missing = reading([probe(one, **MISSING) for one in INSTANCES], [], weak=proofs)
    judged = judge(missing, halt(), NOW)
    assert (judged.verdict, judged.strength) == (verdict, Strength.WEAK)
    assert (seen := finding(judged, "backend")) is not None
    assert seen.weight == ("weak" if verdict is Verdict.RETAINED else "unknown")
    assert judge(reading([], [], weak=proofs), halt(path=None), NOW).verdict is verdict


def test_weak_proofs_do_not_stand_in_for_a_silent_endpoint() -> None:
    silent = reading([probe(one, **SILENT) for one in INSTANCES], [], weak=BOTH)
    assert judge(silent, halt(), NOW).verdict is Verdict.UNKNOWN


def test_schema_is_the_range_that_every_instance_understands() -> None:
    probes = [probe("i-one", schema_min=2), probe("i-two", schema_max=4), probe("i-three")]
    assert judge(reading(probes), halt(), NOW).control_schema == (4, 3, 4)
    some = [probe("i-one", schema_max=None), probe("i-two"), probe("i-three")]
    assert judge(reading(some), halt(), NOW).control_schema is None


def test_an_observation_gives_the_judgement_back() -> None:
    for judged in (
        judge(reading(), halt(), NOW),
        judge(reading(with_one(scopes=claims(False))), halt(), NOW),
        judge(reading([], [], instances=()), halt(), NOW),
    ):
        seen = to_observation(judged, "backend", judged.slot)
        assert seen.compared == ()
        assert from_observation(seen) == judged
    moved = seen.model_copy(update={"resource": "authority/backend/staging"})
    assert (folded := from_observation(moved)) is not None
    assert folded.slot == "staging"
    assert from_observation(seen.model_copy(update={"context": ()})) is None


# --- against the oracle ----------------------------------------------------------------------

KINDS: dict[str, dict[str, Any]] = {
    "yes": {},
    "no": {"scopes": claims(False)},
    "half": {"scopes": claims(True)[:1]},
    "old": {"at": NOW - timedelta(seconds=99)},
    "echo": {"nonce_matches": False},
    "other": {"instance_matches": False},
    "storeless": {"store_reachable": False},
    "silent": SILENT,
    "missing": MISSING,
    "forbidden": {**SILENT, "status": 403},
}
CONTROLS: dict[str, dict[str, Any]] = {
    "refused": {},
    "status": {**SILENT, "status": 401},
    "granted": {"scopes": claims(True)},
    "silent": SILENT,
}


def oracle(
    probes: list[list[str]], controls: list[str], weak_held: int, *, in_flight: bool
) -> Verdict:
    """The rules, said about kinds of answers instead of answers."""
    everything = [kind for kinds in probes for kind in kinds]
    if "no" in everything:
        return Verdict.LOST
    if "granted" in controls:
        return Verdict.UNKNOWN
    if everything and set(everything) == {"missing"}:
        return Verdict.RETAINED if probes and weak_held == 2 else Verdict.UNKNOWN
    newest = [kinds[-1] if kinds else "" for kinds in probes]
    good = bool(controls) and set(controls) <= {"refused", "status"}
    if good and newest and all(kind == "yes" for kind in newest):
        return Verdict.RETAINED
    if good and in_flight and "yes" in newest:
        return Verdict.RETAINED
    if probes and all(len(kinds) >= 3 and set(kinds) == {"silent"} for kinds in probes):
        return Verdict.LOST
    return Verdict.UNKNOWN


@given(
    probes=st.lists(st.lists(st.sampled_from(sorted(KINDS)), max_size=3), max_size=3)
    | st.lists(st.sampled_from([["yes"], ["silent"] * 3, ["missing"]]), max_size=3),
    controls=st.lists(st.sampled_from(sorted(CONTROLS)), max_size=3),
    weak_held=st.integers(0, 2),
    in_flight=st.booleans(),
)
def test_judge_agrees_with_the_oracle(
    probes: list[list[str]], controls: list[str], weak_held: int, *, in_flight: bool
) -> None:
    seen = [
        probe(INSTANCES[n], **{"at": NOW - timedelta(seconds=9 - at), **KINDS[kind]})
        for n, kinds in enumerate(probes)
        for at, kind in enumerate(kinds)
        if not (kind == "old" and at < len(kinds) - 1)
    ]
    probes = [
        [kind for at, kind in enumerate(kinds) if kind != "old" or at == len(kinds) - 1]
        for kinds in probes
    ]
    # an old answer is not the newest: let it stand alone
    probes = [["old"] if kinds and kinds[-1] == "old" else kinds for kinds in probes]
    seen = [
        one
        for one in seen
        if probes[INSTANCES.index(one.instance)] != ["old"] or one.at < NOW - timedelta(seconds=50)
    ]
    given_controls = [control(INSTANCES[n], **CONTROLS[kind]) for n, kind in enumerate(controls)]
    made = reading(seen, given_controls, instances=INSTANCES[: len(probes)], weak=BOTH[:weak_held])
    judged = judge(made, halt(), NOW, in_flight=in_flight)
    assert judged.verdict is oracle(probes, controls, weak_held, in_flight=in_flight)
    assert judged.reasons
