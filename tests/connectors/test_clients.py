"""What an action gets: made when used, guarded, and cheap until then."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import rollback.connectors
from rollback.connectors.pipelines import disable_effect, send
from rollback.errors import GuardRefusal, InputError, ProductDefect
from rollback.model.effect import FileWrite
from rollback.model.environment import Secret
from rollback.rehearsal.simulator import names
from tests.connectors.stand import BACKEND, BACKEND_HOST, environment, stand

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollback.rehearsal.simulator.process import Simulator

VENDORS = ("azure", "boto3", "botocore", "requests", "httpx", "websockets", "aiohttp", "jwt")


def test_importing_a_connector_imports_no_sdk() -> None:
    folder = Path(rollback.connectors.__file__).parent
    modules = [f"rollback.connectors.{path.stem}" for path in sorted(folder.glob("[a-z]*.py"))]
    program = (
        f"import sys, {', '.join(modules)}\n"
        f"print([name for name in {VENDORS!r} if name in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert len(modules) > 15
    assert said.stdout.decode().strip() == "[]"


def test_a_host_outside_the_perimeter_is_refused() -> None:
    with stand(environment()) as here, pytest.raises(GuardRefusal):
        here.clients.http("elsewhere.example").get("/")


def test_clients_are_made_once_and_requests_carry_the_scope(sim: Simulator) -> None:
    with stand(environment(sim)) as here:
        clients = here.clients
        assert clients.http(BACKEND_HOST) is clients.http(BACKEND_HOST)
        assert clients.arm() is clients.arm()
        assert clients.cosmos() is clients.cosmos()
        clients.http(BACKEND_HOST).get("/api/release")
        clients.arm().slot(BACKEND)
        ids = [exchange.request_id for exchange in here.exchanges.seen_all]
        arm = [one for one in here.exchanges.seen_all if one.host == "management.azure.com"]
    assert all(one.startswith("r-1.step.1.") for one in ids)
    assert len(set(ids)) == len(ids)
    assert arm[0].provider_id, "the service's own request id is recorded beside it"
    received = {entry.request_id for entry in sim.control.ledger()}
    assert set(ids) <= received


def test_what_outlives_its_step_writes_nothing(sim: Simulator, tmp_path: Path) -> None:
    """A thread of an action goes on with what it was given, and the permission is unspent."""
    env = environment(sim)
    pipeline = env.surface("backend").pipeline
    assert pipeline is not None
    disable = disable_effect(pipeline, id="halt#pipeline")
    kept = FileWrite(id="keep", path=str(tmp_path / "kept"), bytes_max=9, times_max=2)
    with stand(env, disable, kept) as here:
        host = here.clients.http(pipeline.api_host)
        here.clients.keep(kept, "one", b"1")
        here.clients.close()
        late = threading.Thread(target=suppressed, args=(send, host, disable, names.GITHUB_TOKEN))
        late.start()
        late.join()
        with suppress(GuardRefusal):
            send(here.clients.http(pipeline.api_host), disable, names.GITHUB_TOKEN)
        with pytest.raises(ProductDefect):
            here.clients.keep(kept, "two", b"2")
        assert [verdict.rule for verdict, _ in here.latch.refusals] == ["scope.ended", "latched"]
        assert [effect for effect, _ in here.ledger.spent] == ["keep"]
    assert not [entry for entry in sim.control.ledger() if entry.path.endswith("/disable")]
    assert [one.name for one in (tmp_path / "kept").iterdir()] == ["one"]


def test_the_name_of_a_kept_file_lasts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file without its name is lost with a power cut, and the journal says that it was kept."""
    lasting: list[int] = []
    sync = os.fsync

    def noted(handle: int) -> None:
        lasting.append(os.fstat(handle).st_ino)
        sync(handle)

    monkeypatch.setattr(os, "fsync", noted)
    kept = FileWrite(id="keep", path=str(tmp_path / "kept"), bytes_max=9, times_max=2)
    with stand(environment(), kept) as here:
        here.clients.keep(kept, "one", b"1")
    one = tmp_path / "kept" / "one"
    assert lasting[-2:] == [one.stat().st_ino, one.parent.stat().st_ino]


def suppressed(act: Callable[..., object], *given: object) -> None:
    with suppress(GuardRefusal):
        act(*given)


def test_a_secret_that_is_not_set_and_evidence_that_is_not_given() -> None:
    with stand(environment()) as here:
        with pytest.raises(InputError):
            here.clients.secret(Secret(variable="NOT_SET"))
        with pytest.raises(ProductDefect):
            here.clients.evidence()
        assert here.clients.nonce() != here.clients.nonce()
        here.clients.pause(3.5)
        assert here.clock.waited == [3.5]
