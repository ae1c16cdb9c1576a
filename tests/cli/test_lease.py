"""Who holds what, by hand: shown, explained, and given up only where that is safe."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rollback.errors import LeaseHeld
from rollback.rehearsal.scenario import on_bucket
from rollback.rehearsal.simulator.process import Simulator
from rollback.rehearsal.simulator.s3 import S3Server
from rollback.rehearsal.simulator.stories import default_world
from rollback.rehearsal.stage import Stage, document, set_stage
from rollback.running.clock import SystemClock, SystemRandomness, this_boot
from rollback.running.lease.document import LeaseDocument, file_name
from rollback.running.lease.folder import folder_lease
from tests.cli.conftest import Rollback


@pytest.fixture(scope="module")
def sim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with Simulator.start(tmp_path_factory.mktemp("simulator"), default_world()) as running:
        yield running


@pytest.fixture
def stage(sim: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    made = set_stage(tmp_path / "stage", sim)
    for name, value in made.variables.items():
        monkeypatch.setenv(name, value)
    return made


def written(stage: Stage, doing: str, age_s: int, *, held: bool = True) -> Path:
    """Somebody's lease on the web surface."""
    scope = f"{stage.environment.environment}/web"
    document = LeaseDocument(
        scope=scope, holder="r-20261123-0936-4f2a on ana/00c0ffee", token="t", doing=doing, fence=7,
        beat=3, held=held, renewed_at=datetime.now(UTC) - timedelta(seconds=age_s), ttl_s=60,
        boot=this_boot(), boot_ms=int((SystemClock().monotonic() - age_s) * 1000),
    )  # fmt: skip
    folder = stage.directory / "leases"
    folder.mkdir(exist_ok=True)
    path = folder / file_name(scope)
    path.write_bytes(document.to_bytes())
    return path


CASES = [
    ("effect revert/web#swap", 5, "moving", "--only-safe", 12),
    ("observe: nothing is left to move", 5, "observing", "preempts", 0),
    ("effect revert/web#swap", 90, "ran-out", "rollback resume r-20261123-0936-4f2a", 0),
]


@pytest.mark.parametrize(("doing", "age_s", "standing", "move", "exit_"), CASES)
def test_a_holder_is_explained_and_released_only_where_it_moves_nobody(
    rollback: Rollback, stage: Stage, doing: str, age_s: int, standing: str, move: str, exit_: int
) -> None:
    path = written(stage, doing, age_s)
    before = path.read_bytes()
    args = ("--state", str(stage.state), "lease")
    where = ("--environment", stage.directory / "environment.yaml")

    shown = {one["surface"]: one for one in json.loads(rollback(*args, "show", *where, "--json").out)}
    assert shown["backend"]["standing"] == "free"
    web = shown["web"]
    assert (web["standing"], web["fence"], web["doing"]) == (standing, 7, doing)
    assert web["holder"].startswith("r-20261123-0936-4f2a on ana")
    assert web["age_s"] >= age_s
    assert move in web["next_move"]
    text = rollback(*args, "show", *where).out
    assert standing in text
    assert "next: " in text

    ran = rollback(*args, "release", "web", *where)
    assert ran.status == exit_, ran.err
    if exit_:
        assert path.read_bytes() == before
        assert "middle of its moves" in ran.err
        assert "--only-safe" in ran.err
        said = json.loads(rollback(*args, "release", "web", *where, "--json").out)
        assert said["exit_status"] == 12
        return
    now = LeaseDocument.model_validate_json(path.read_bytes())
    assert (now.held, now.fence) == (False, 7)
    runs = json.loads(rollback("--state", str(stage.state), "status", "--json").out)
    assert [one["playbook"] for one in runs] == ["lease-release"]


RUN = "r-20261123-0936-4f2a on ana/00c0ffee"


@pytest.mark.parametrize("surface", ["web", "backend"])
def test_what_a_run_holds_is_given_up_together(
    rollback: Rollback, stage: Stage, surface: str
) -> None:
    """A real holder of two: whichever is named, another run takes both then, and it has neither."""
    folder, scopes = stage.directory / "leases", scopes_of(stage)
    chance = SystemRandomness()
    holder = folder_lease(folder, SystemClock(), chance, ttl_s=60)
    grant = holder.acquire(scopes, RUN, "observe: nothing is left to move")
    args = ("--state", str(stage.state), "lease")
    where = ("--environment", stage.directory / "environment.yaml")

    shown = {one["surface"]: one for one in json.loads(rollback(*args, "show", *where, "--json").out)}
    assert (shown["backend"]["also"], shown["web"]["also"]) == (["web"], ["backend"])
    assert shown["mobile"]["also"] == []
    assert "it holds backend too" in rollback(*args, "show", *where).out

    ran = rollback(*args, "release", surface, *where)
    assert ran.status == 0, ran.err
    for name in ("web", "backend"):
        assert f"give up the lease on {name} of {RUN}" in ran.err
    assert "still held" not in ran.err
    with pytest.raises(LeaseHeld):
        holder.renew(grant, "observe")
    other = folder_lease(folder, SystemClock(), chance, ttl_s=60)
    assert other.acquire(scopes, "r-20261123-0937-0001 on ben/00c0ffef", "rolling back").took_over == ""


def scopes_of(stage: Stage) -> tuple[str, str]:
    name = stage.environment.environment
    return f"{name}/backend", f"{name}/web"


def test_a_run_that_moves_one_of_its_surfaces_keeps_all(rollback: Rollback, stage: Stage) -> None:
    """Its renewal wrote one and not yet the other: it is in the middle of its moves."""
    web = written(stage, "observe", 5)
    scope = scopes_of(stage)[0]
    moving = LeaseDocument.model_validate_json(web.read_bytes()).model_copy(
        update={"scope": scope, "doing": "effect revert/backend#swap"}
    )
    backend = web.parent / file_name(scope)
    backend.write_bytes(moving.to_bytes())
    before = web.read_bytes(), backend.read_bytes()
    where = ("--environment", stage.directory / "environment.yaml")
    ran = rollback("--state", str(stage.state), "lease", "release", "web", *where)
    assert ran.status == 12, ran.err
    assert f"{RUN} holds backend and is in the middle of its moves" in ran.err
    assert (web.read_bytes(), backend.read_bytes()) == before


def test_what_others_hold_and_what_cannot_be_read_is_left_alone(
    rollback: Rollback, stage: Stage
) -> None:
    web = written(stage, "observe", 5)
    scope = scopes_of(stage)[0]
    others = LeaseDocument.model_validate_json(web.read_bytes()).model_copy(
        update={"scope": scope, "holder": "r-20261123-0937-0001 on ben/00c0ffef"}
    )
    backend = web.parent / file_name(scope)
    where = ("--environment", stage.directory / "environment.yaml")
    args = ("--state", str(stage.state), "lease", "release", "web", *where)
    for data, said in ((others.to_bytes(), ""), (b"not a lease", "who holds backend cannot be read")):
        written(stage, "observe", 5)
        backend.write_bytes(data)
        ran = rollback(*args)
        assert ran.status == 0, ran.err
        assert said in ran.err
        assert "ben" not in ran.err
        assert LeaseDocument.model_validate_json(web.read_bytes()).held is False
        assert backend.read_bytes() == data


@pytest.mark.parametrize("surface", ["", "wbe", "Web", "web,backend", "r-20261123-0936-4f2a", "../web"])
def test_what_is_no_surface_releases_nothing(
    rollback: Rollback, stage: Stage, surface: str
) -> None:
    path = written(stage, "observe", 5)
    before = path.read_bytes()
    where = ("--environment", stage.directory / "environment.yaml")
    ran = rollback("--state", str(stage.state), "lease", "release", surface, *where)
    assert ran.status == 2
    assert "error: surface.unknown" in ran.err
    assert "one of: backend, web, mobile" in ran.err
    assert path.read_bytes() == before
    assert not (stage.state / "runs").exists()


def test_releasing_what_nobody_holds_is_nothing(rollback: Rollback, stage: Stage) -> None:
    written(stage, "given up", 5, held=False)
    where = ("--environment", stage.directory / "environment.yaml")
    ran = rollback("--state", str(stage.state), "lease", "release", "web", *where)
    assert ran.status == 0, ran.err


def test_what_cannot_be_read_is_said(rollback: Rollback, stage: Stage) -> None:
    written(stage, "x", 5).write_bytes(b"not a lease")
    where = ("--environment", stage.directory / "environment.yaml")
    shown = rollback("--state", str(stage.state), "lease", "show", *where)
    assert shown.status == 0
    assert "cannot be read" in shown.out
    move = "make sure that nobody is changing it, then remove what is written there"
    assert move in shown.out
    ran = rollback("--state", str(stage.state), "lease", "release", "web", *where)
    assert ran.status == 12
    assert f"hint: {move}" in ran.err


def _put(server: S3Server, key: str, data: bytes) -> None:
    """Somebody else's write, past the guard."""
    import boto3  # type: ignore[import-untyped, unused-ignore]

    session = boto3.session.Session("a", "b", region_name="eu-west-1")
    plain = session.client("s3", endpoint_url=server.endpoint)
    try:
        plain.put_object(Bucket=server.bucket, Key=key, Body=data)
    finally:
        plain.close()


def test_a_lease_in_a_bucket_is_given_up_by_one_permitted_write(
    rollback: Rollback, sim: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with S3Server.start(tmp_path / "bucket") as server:
        made = set_stage(tmp_path / "stage", sim, **on_bucket(document(sim), server))
        for name, value in made.variables.items():
            monkeypatch.setenv(name, value)
        args = ("--state", str(made.state), "lease")
        where = ("--environment", made.directory / "environment.yaml")
        scope = f"{made.environment.environment}/web"
        observing = LeaseDocument(
            scope=scope, holder="r-20261123-0936-4f2a on ana/00c0ffee", token="t", doing="observe",
            fence=3, beat=0, held=True, renewed_at=datetime.now(UTC), ttl_s=60,
        )  # fmt: skip
        moving = observing.model_copy(update={"doing": "effect revert/web#swap"})

        _put(server, f"leases/{file_name(scope)}", moving.to_bytes())
        assert rollback(*args, "release", "web", *where).status == 12
        _put(server, f"leases/{file_name(scope)}", observing.to_bytes())
        assert rollback(*args, "release", "web", *where).status == 0
        shown = {
            one["surface"]: one
            for one in json.loads(rollback(*args, "show", *where, "--json").out)
        }
        assert (shown["web"]["standing"], shown["web"]["fence"]) == ("free", 3)

        # A run's two: each has a permission of its own, and another run's is not touched.
        backend = f"{made.environment.environment}/backend"
        other = observing.model_copy(update={"scope": backend, "fence": 8})
        for document_ in (observing, other):
            _put(server, f"leases/{file_name(document_.scope)}", document_.to_bytes())
        ran = rollback(*args, "release", "backend", *where)
        assert ran.status == 0, ran.err
        shown = {
            one["surface"]: (one["standing"], one["fence"])
            for one in json.loads(rollback(*args, "show", *where, "--json").out)
        }
        assert (shown["web"], shown["backend"]) == (("free", 3), ("free", 8))
