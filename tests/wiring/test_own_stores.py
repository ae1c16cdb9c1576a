"""Stores of an application's own, plugged into an operator (evidence-first, plan-is-permission)."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import playbooks
from rollback import Stores
from rollback.connectors.secrets import VariableSecrets
from rollback.errors import ConnectorError, EvidenceNotWritten, GuardRefusal, InputError
from rollback.evidence.own_store import OwnStore
from rollback.evidence.verify import verify_bundle
from rollback.model.evidence import Manifest
from rollback.model.scope import Shape
from rollback.rehearsal.simulator.process import Simulator
from rollback.rehearsal.stage import Stage, set_stage
from rollback.wiring import Operator, PlanDocument
from rollback.wiring.own_stores import OwnMirror
from rollback.wiring.run_result import RunResult
from tests.signed import approvals

PAGE = Path(__file__).parents[2] / "docs/how-to/write-a-store.md"
OWN = {"kind": "folder", "path": "archive", "own": "archive"}


def of_the_page() -> Any:
    """What the page defines, as its reader would."""
    blocks = [
        one
        for one in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
        if ">>>" not in one and "Environment.load" not in one
    ]
    made: dict[str, Any] = {"__name__": "page"}
    exec("\n".join(blocks), made)  # noqa: S102 - our own page
    return made


@dataclass
class Place:
    stage: Stage
    stores: Stores

    def operator(self, stores: Stores | None, state: Path | None = None) -> Operator:
        return Operator(
            self.stage.environment,
            state=state or self.stage.state,
            secrets=VariableSecrets(self.stage.variables),
            user="ana",
            stores=stores,
        )

    @property
    def folder(self) -> Path:
        return Path(self.stage.environment.base) / "archive"

    def rows(self, file: str, table: str) -> dict[str, bytes]:
        with sqlite3.connect(self.folder / file) as base:
            return dict(base.execute(f"SELECT name, data FROM {table}"))  # noqa: S608


@pytest.fixture(scope="module")
def sim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with Simulator.start(tmp_path_factory.mktemp("own") / "simulator") as started:
        yield started


@pytest.fixture
def place(sim: Simulator, tmp_path: Path) -> Place:
    stage = set_stage(tmp_path, sim, evidence={"store": OWN}, journal_mirror=True)
    return Place(stage, of_the_page()["stores"])


def captured(operator: Operator) -> tuple[PlanDocument, RunResult]:
    plan = operator.plan(playbooks.preserve_evidence)
    return plan, operator.apply(plan)


def manifest(ran: RunResult) -> Manifest:
    check = verify_bundle(Path(ran.bundle_path))
    assert check.holds, check.problems
    assert check.manifest is not None
    return check.manifest


def intents(ran: RunResult, effect: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in Path(ran.journal_path).read_text().splitlines()]
    bodies = [{one["name"]: one["value"] for one in line["body"]} for line in lines if line["kind"] == "intent"]
    return [body for body in bodies if body["effect"] == effect]


def test_a_run_is_kept_in_them_and_sealed_from_them(place: Place, tmp_path: Path) -> None:
    operator = place.operator(place.stores)
    plan, ran = captured(operator)
    assert ran.exit_status == 0, ran
    kept = manifest(ran)
    assert not kept.spooled
    assert kept.store.startswith("the application's own store archive")
    chunks = place.rows("chunks.db", "chunks")
    assert {chunk.sha256 for window in kept.windows for chunk in window.chunks} <= set(chunks)
    assert not (place.folder / "chunks").exists()
    copies = place.rows("journals/copies.db", "copies")
    assert {name.partition("/")[0] for name in copies} == {ran.run, "applied"}
    # On another machine, with the same stores, the run is known.
    assert place.operator(place.stores, tmp_path / "other").take_up(ran.run) == ran.run
    # And every chunk was counted, under the permission that the plan shows.
    says = {one.id: one.says for one in plan.plan.effects}
    named = [name for name, words in says.items() if "the application's own store 'archive'" in words]
    sent = [one for name in named for one in intents(ran, name) if "chunks" in says[name]]
    assert sorted(one["body_sha256"] for one in sent) == sorted(chunks)


def test_where_they_are_not_passed_the_spool_stands_in_and_halts_go_out(place: Place) -> None:
    operator = place.operator(None)
    _, ran = captured(operator)
    kept = manifest(ran)
    assert kept.spooled
    assert not place.folder.exists() or not any(place.folder.rglob("*.db"))
    plan = operator.plan(playbooks.full_rollback, parameters={"bake": "1s"})
    halted = operator.apply(plan, only_safe=True)
    assert {name: status for name, status, _ in halted.steps}["halt"] == "done"
    again = operator.plan(playbooks.full_rollback, parameters={"bake": "1s"})
    moved = operator.apply(again, approvals=approvals(place.stage, again))
    assert moved.exit_status != 0  # its intents would be on this machine only
    assert {"applied", "done"}.isdisjoint(status for name, status, _ in moved.steps if name.startswith("revert"))


def test_the_readiness_check_tells(place: Place) -> None:
    held = {one.name: one for one in place.operator(place.stores).doctor()}
    assert "own store 'archive' answers" in held["evidence store"].seen
    assert held["journal mirror"].holds
    lacking = {one.name: one for one in place.operator(None).doctor()}
    for name in ("evidence store", "journal mirror"):
        assert not lacking[name].holds
        assert "Operator(stores=...)" in lacking[name].seen


def test_one_that_is_never_used_is_wrong_input(sim: Simulator, tmp_path: Path) -> None:
    stage = set_stage(tmp_path, sim)
    with pytest.raises(InputError, match="no store of the application's own"):
        Place(stage, Stores()).operator(Stores(evidence=lambda _: Kept()))


def test_what_it_raises_is_told_by_its_type_alone(place: Place) -> None:
    def broken(_: Path) -> Kept:
        raise ValueError("password=hunter2-of-the-archive")

    _, ran = captured(place.operator(Stores(evidence=broken, mirror=place.stores.mirror)))
    assert manifest(ran).spooled
    with pytest.raises(EvidenceNotWritten) as caught:
        OwnStore("archive", place.folder, broken, lambda _: None).put(b"one")
    assert "ValueError" in caught.value.reason
    assert "hunter2" not in str(caught.value)


class Kept:
    """A store in memory. lies: gives back something else."""

    def __init__(self, *, lies: bool = False) -> None:
        self.chunks: dict[str, bytes] = {}
        self.lies = lies

    def put(self, data: bytes) -> str:
        from hashlib import sha256

        name = sha256(data).hexdigest()
        self.chunks[name] = data
        return name

    def get(self, name: str) -> bytes | None:
        found = self.chunks.get(name)
        return b"another" if self.lies and found is not None else found


def own(kept: Kept, spend: Callable[[Shape], None], folder: Path) -> OwnStore:
    return OwnStore("archive", folder, lambda _: kept, spend)


def test_nothing_is_put_that_is_not_permitted(tmp_path: Path) -> None:
    def refuse(shape: Shape) -> None:
        raise GuardRefusal("ledger.spent", shape.path, hint="", promise="plan-is-permission")

    kept = Kept()
    with pytest.raises(GuardRefusal):
        own(kept, refuse, tmp_path).put(b"one")
    assert kept.chunks == {}


def test_the_same_is_spent_and_put_once(tmp_path: Path) -> None:
    spent: list[Shape] = []
    kept = Kept()
    store = own(kept, spent.append, tmp_path)
    for one in (store, store, own(kept, spent.append, tmp_path)):
        one.put(b"one")
    assert [(one.body_bytes, one.path) for one in spent] == [(3, str(tmp_path / str(spent[0].body_sha256)))]


def test_what_is_given_back_otherwise_was_not_kept(tmp_path: Path) -> None:
    with pytest.raises(EvidenceNotWritten, match="something else than was put"):
        own(Kept(lies=True), lambda _: None, tmp_path).put(b"one")


class Copies:
    """A place of the journal's copies; lies: it gives back something else than it was given."""

    def __init__(self, *, lies: bool = False) -> None:
        self.held: dict[str, bytes] = {}
        self.lies = lies

    def names(self, prefix: str) -> tuple[str, ...]:
        return tuple(name for name in self.held if name.startswith(prefix))

    def get(self, name: str) -> bytes | None:
        held = self.held.get(name)
        return held if held is None or not self.lies else held + b"?"

    def create(self, name: str, data: bytes) -> bool:
        self.held[name] = data
        return True


def mirror(place: Place, copies: Copies, spend: Callable[[Shape], None]) -> OwnMirror:
    stores = Stores(mirror=lambda _: copies)
    return OwnMirror(place.stage.environment, place.folder / "journals", stores, spend)


def test_a_copy_that_is_given_back_otherwise_was_not_kept(place: Place) -> None:
    with pytest.raises(ConnectorError, match="something else than was put"):
        mirror(place, Copies(lies=True), lambda _: None).create("one", b"data")


def test_no_copy_is_made_that_is_not_permitted(place: Place) -> None:
    copies = Copies()

    def refuse(shape: Shape) -> None:
        raise ConnectorError("no", shape.path, transient=False)

    with pytest.raises(ConnectorError, match=r"journals/one"):
        mirror(place, copies, refuse).create("one", b"data")
    assert copies.held == {}
