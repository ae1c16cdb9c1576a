"""Every field of a signed plan changed, one at a time: refused, and nothing is sent."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import pytest

import playbooks
from rollback.connectors.secrets import VariableSecrets
from rollback.errors import RollbackError
from rollback.planning.canonical import canonical
from rollback.rehearsal.simulator.process import Simulator
from rollback.rehearsal.stage import Stage, set_stage
from rollback.wiring import Operator, PlanDocument
from rollback.wiring.withheld import moves_toward
from tests.signed import approvals

SAFE = ("halt", "hold")
WITHOUT_HALTS = playbooks.full_rollback.model_copy(
    update={
        "steps": tuple(
            step.model_copy(update={"after": tuple(n for n in step.after if n not in SAFE)})
            for step in playbooks.full_rollback.steps
            if step.name not in SAFE
        )
    }
)
"""Moves toward safety would go out of a changed plan too: they wait for nothing but the guard."""

Path_ = tuple[str | int, ...]


@dataclass(frozen=True)
class Signed:
    """A plan that two people signed, the world it is for, and how often that was written to."""

    stage: Stage
    sim: Simulator
    document: PlanDocument
    approvals: list[bytes]

    def operator(self) -> Operator:
        return Operator(
            self.stage.environment,
            state=self.stage.state,
            secrets=VariableSecrets(self.stage.variables),
            user="mallory",
        )

    def writes(self) -> int:
        return sum(entry.write for entry in self.sim.control.ledger())

    def runs(self) -> int:
        return len(list(self.stage.state.glob("runs/*")))


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Signed]:
    folder = tmp_path_factory.mktemp("tampering")
    with Simulator.start(folder / "simulator") as sim:
        stage = set_stage(folder, sim)
        operator = Operator(
            stage.environment,
            state=stage.state,
            secrets=VariableSecrets(stage.variables),
            user="ana",
        )
        document = operator.plan(WITHOUT_HALTS, incident="INC-1", trigger="tenant-leak")
        assert not moves_toward(document.plan)
        yield Signed(stage, sim, document, approvals(stage, document))


def leaves(tree: Any, at: Path_ = ()) -> Iterator[Path_]:
    """Every place in the document: values, and lists and objects as wholes."""
    if at:
        yield at
    if isinstance(tree, dict):
        for name, child in tree.items():
            yield from leaves(child, (*at, name))
    elif isinstance(tree, list):
        for index, child in enumerate(tree):
            yield from leaves(child, (*at, index))


def changes(value: Any) -> Iterator[Any]:
    """Other values for a place, of its own type as far as there are any."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield value + 1
    elif isinstance(value, str):
        hexadecimal = len(value) in (32, 64) and set(value) <= set("0123456789abcdef")
        yield ("0" if value[0] != "0" else "1") + value[1:] if hexadecimal else value + "x"
    elif value is None:
        yield "x"
    elif isinstance(value, list) and value:
        yield value[:-1]
    elif isinstance(value, list):
        yield ["x"]


def changed(tree: Any, at: Path_, value: Any) -> Any:
    copy = deepcopy(tree)
    inner = copy
    for name in at[:-1]:
        inner = inner[name]
    inner[at[-1]] = value
    return copy


def tampered(document: PlanDocument) -> Iterator[tuple[Path_, bytes]]:
    """Every field of every kind of thing changed, twice where there are several of its kind.

    Each document is canonical again: its digest is the one of the changed bytes.
    """
    tree = json.loads(document.canonical)
    seen: Counter[Path_] = Counter()
    for at in leaves(tree):
        kind = tuple("*" if isinstance(name, int) else name for name in at)
        seen[kind] += 1
        if seen[kind] > 2:
            continue
        value: Any = tree
        for name in at:
            value = value[name]
        for other in changes(value):
            yield at, canonical(changed(tree, at, other))
        if isinstance(at[-1], str) and len(at) == 1:
            yield at, canonical({name: each for name, each in tree.items() if name != at[0]})


def test_every_field_changed_with_the_digest_made_anew(signed: Signed) -> None:
    operator, before, runs = signed.operator(), signed.writes(), signed.runs()
    tried = 0
    for at, data in tampered(signed.document):
        if data == signed.document.canonical:
            continue
        tried += 1
        with pytest.raises(RollbackError) as caught:
            operator.apply(PlanDocument.read(data), approvals=signed.approvals)
        assert caught.value.exit_status in (2, 3, 4, 5), at
    assert tried > 200
    assert signed.writes() == before
    assert signed.runs() == runs


def test_every_field_changed_with_the_digest_left_as_it_was(signed: Signed) -> None:
    """A caller that puts the signed digest beside other contents."""
    operator, before, runs = signed.operator(), signed.writes(), signed.runs()
    tried = 0
    for at, data in tampered(signed.document):
        try:
            other = PlanDocument.read(data)
        except RollbackError:
            continue  # no such plan can be had at all
        if data == signed.document.canonical:
            continue
        tried += 1
        forged = PlanDocument(other.plan, signed.document.canonical, signed.document.digest)
        with pytest.raises(RollbackError) as caught:
            operator.apply(forged, approvals=signed.approvals)
        assert caught.value.exit_status in (2, 3, 4, 5), at
    assert tried > 100
    assert signed.writes() == before
    assert signed.runs() == runs


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("approvals", {"count": 0, "reasons": []}),
        ("approvals", {"count": 1, "reasons": ["one is enough"]}),
        ("duration_s_max", 0),
        ("expires", "2036-11-23T00:00:00.000Z"),
        ("verdict", "refused"),
    ],
)
def test_a_plan_that_asks_for_less_than_the_environment_moves_nobody(
    signed: Signed, name: str, value: Any
) -> None:
    """Not signed at all, or signed anew by one who can: what it may ask is not in its own hands."""
    tree = json.loads(signed.document.canonical)
    tree[name] = {**tree[name], **value} if isinstance(value, dict) else value
    document = PlanDocument.read(canonical(tree))
    by_one = approvals(signed.stage, document)[:1]
    for given in ([], by_one):
        before = signed.writes()
        with pytest.raises(RollbackError) as caught:
            signed.operator().apply(document, approvals=given)
        assert caught.value.code == "plan.not-as-planned"
        assert signed.writes() == before


FOR_PEOPLE = ("spec", "on_failure", "after")
"""What a step is told to do, and when, is for those who sign and for the proof; all else of it
follows from that."""


def edited_before_anybody_signed(document: PlanDocument) -> Iterator[tuple[Path_, bytes]]:
    """Every place of what a plan says of the world and of itself, changed, and entries taken out."""
    tree = json.loads(document.canonical)
    for at, data in tampered(document):
        derived = at[0] in ("findings", "exposures", "surfaces", "upkeep", "steps")
        if derived and not (at[0] == "steps" and len(at) > 2 and at[2] in FOR_PEOPLE):
            yield at, data
    for name in ("findings", "exposures", "surfaces", "upkeep"):
        for index in range(len(tree[name])):
            left = [each for place, each in enumerate(tree[name]) if place != index]
            yield (name, index), canonical({**tree, name: left})
    for index, step in enumerate(tree["steps"]):
        at = ("steps", index, "expects")
        # A step that only looks finds what it was to find missing, and fails.
        if any(change["kind"] == "update" for change in step["changes"]):
            yield at, canonical(changed(tree, at, []))


def test_a_plan_edited_before_people_signed_it_moves_nobody(signed: Signed) -> None:
    """The page that they read did not say what the planner found: a line was taken out or put in."""
    operator, before, runs = signed.operator(), signed.writes(), signed.runs()
    accepted, tried = set(), 0
    for at, data in edited_before_anybody_signed(signed.document):
        try:
            document = PlanDocument.read(data)
        except RollbackError:
            continue  # no such plan can be had at all
        if document.digest == signed.document.digest:
            continue
        tried += 1
        assert operator.problem_of(document) is not None, at
        anew = approvals(signed.stage, document, tried)
        try:
            operator.apply(document, approvals=anew, only_safe=True)
        except RollbackError:
            continue
        accepted.add(at)
    assert accepted == set()
    assert tried > 100
    assert signed.writes() == before
    assert signed.runs() == runs


def test_the_plan_as_it_was_signed_is_applied(signed: Signed) -> None:
    """Last: all the refusals above were for the change alone."""
    assert signed.operator().problem_of(signed.document) is None
    result = signed.operator().apply(signed.document, approvals=signed.approvals, only_safe=True)
    assert result.exit_status == 0
