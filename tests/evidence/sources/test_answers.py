"""Answers of gates and alert rules, read through the guard and kept raw."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from rollback.errors import GuardRefusal
from rollback.evidence.capture import capture
from rollback.evidence.sources.answers import answers
from rollback.guard.rules.perimeter import perimeter_of
from rollback.model.scope import HostKind
from rollback.rehearsal.simulator.process import Simulator
from tests.connectors.stand import BACKEND_HOST, VARIABLES, environment, stand
from tests.evidence.pipeline import Kept, capturing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rollback.model.environment import Environment
    from rollback.model.evidence import SourceWindow

TOKEN = VARIABLES["OPERATOR_TOKEN"]
AUTHORITY = "/api/control/authority"


@pytest.fixture(scope="module")
def sim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with Simulator.start(tmp_path_factory.mktemp("simulator")) as running:
        yield running


def env(sim: Simulator | None, path: str, host: str = BACKEND_HOST, **more: Any) -> Environment:
    answer = {"name": "alerts", "host": host, "path": path, **more}
    return environment(sim, evidence={"answers": [answer]})


def captured(known: Environment, sink: Kept) -> SourceWindow:
    with stand(known) as here, capturing(sink, clients=here.clients) as shared:
        (source,) = answers(known, 60)
        window = capture(source, "at/capture", shared)
        assert here.latch.tripped() is None
    return window


def test_an_answer_is_kept_as_it_came_and_its_token_is_not(sim: Simulator) -> None:
    sink = Kept()
    window = captured(env(sim, AUTHORITY, query=[("nonce", "n-1")], token="${OPERATOR_TOKEN}"), sink)
    (line,) = sink.lines(window)
    kept = json.loads(line)
    assert (window.source, window.completeness) == ("answers/alerts", "complete")
    assert kept["status"] == 200
    assert "n-1" in kept["body"]
    assert TOKEN.encode() not in line


def test_another_answer_is_kept_by_digest_and_is_a_gap(sim: Simulator) -> None:
    """The same path without its token: what is said then is an error page."""
    sink = Kept()
    window = captured(env(sim, AUTHORITY, query=[("nonce", "n-1")]), sink)
    (line,) = sink.lines(window)
    assert window.completeness == "partial"
    assert "answered 401" in window.reason
    assert "body" not in json.loads(line)


def test_a_host_that_does_not_answer_is_a_gap(sim: Simulator) -> None:
    sim.control.fault("drop", path="/api/gates", count=0)
    window = captured(env(sim, "/api/gates", query=[("active", "true")]), Kept())
    assert window.completeness == "unknown"
    assert window.reason


def test_the_host_of_an_answer_can_only_be_read() -> None:
    known = env(None, "/api/v2/alerts", host="alerts.trading.example")
    found = perimeter_of(known).find("alerts.trading.example")
    assert found is not None
    assert found.kind is HostKind.WEB
    with stand(known) as here, pytest.raises(GuardRefusal):
        here.clients.http("alerts.trading.example").read_by_post("/api/v2/alerts", b"{}", ())
