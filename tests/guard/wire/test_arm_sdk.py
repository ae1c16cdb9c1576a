"""Every operation of the two management SDKs through the guard, by introspection."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from azure.core.exceptions import AzureError
from azure.core.pipeline.policies import SansIOHTTPPolicy

from rollback.errors import GuardRefusal
from rollback.guard.rules.perimeter import perimeter_of
from rollback.guard.wire import azure_wire
from rollback.model.scope import GuardedHost, HostKind, Perimeter
from rollback.rehearsal.simulator import names
from tests.guard.support import Bench, bench, environment, swap
from tests.guard.wire.counting import Counting, counting

if TYPE_CHECKING:
    from collections.abc import Iterator

READING_POSTS = ("/slotsdiffs", "/config/appsettings/list", "/containerlogs")
SECRET_OR_TUNNEL = {
    "hostruntime", "extensions", "dump", "networktrace", "networktraces", "token", "masterkey",
    "publishingcredentials", "publishingusers", "processes", "hybridconnection", "networkfeatures",
}  # fmt: skip


class NoToken(SansIOHTTPPolicy[Any, Any]):
    """Stands where a bearer token would be added; plain http on loopback takes none."""


class Remember(SansIOHTTPPolicy[Any, Any]):
    """Keeps what the SDK wanted to send."""

    def __init__(self) -> None:
        self.wanted: list[tuple[str, str]] = []

    def on_request(self, request: Any) -> None:
        http = request.http_request
        self.wanted.append((http.method, http.url.split("?")[0].removeprefix("http://")))


@pytest.fixture(scope="module")
def server() -> Iterator[Counting]:
    with counting() as story:
        yield story


def _bench(server: Counting) -> Bench:
    known = perimeter_of(environment())
    perimeter = Perimeter(
        hosts=(*known.hosts, GuardedHost(host=server.host, kind=HostKind.ARM)),
        exchanges=known.exchanges,
        subscription=names.SUBSCRIPTION,
    )
    return bench([swap(host=server.host)], perimeter=perimeter)


def _client(kind: str, told: Bench, server: Counting, remember: Remember) -> Any:
    named: dict[str, Any] = {
        "base_url": server.url,
        "transport": azure_wire.transport(told.wire),
        "authentication_policy": NoToken(),
        "per_call_policies": [remember],
        "retry_total": 0,
    }
    nobody: Any = object()
    if kind == "web":
        from azure.mgmt.web import WebSiteManagementClient

        return WebSiteManagementClient(nobody, names.SUBSCRIPTION, **named)
    from azure.mgmt.cosmosdb import CosmosDBManagementClient

    return CosmosDBManagementClient(nobody, names.SUBSCRIPTION, **named)


def _groups(client: Any) -> list[str]:
    return sorted(
        name
        for name, value in vars(client).items()
        if not name.startswith("_") and type(value).__name__.endswith("Operations")
    )


def _arguments(method: Any) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for name, parameter in inspect.signature(method).parameters.items():
        if parameter.default is not inspect.Parameter.empty or parameter.kind in {
            inspect.Parameter.VAR_KEYWORD,
            inspect.Parameter.VAR_POSITIONAL,
        }:
            continue
        said = str(parameter.annotation)
        if said == "<class 'str'>" or said == "str":  # noqa: PLR1714
            given[name] = "x"
        elif "bool" in said and "Union" not in said:
            given[name] = True
        elif "datetime" in said and "Union" not in said:
            given[name] = datetime(2026, 1, 1, tzinfo=UTC)
        elif "int" in said.split("[", maxsplit=1)[0] and "Union" not in said:
            given[name] = 1
        elif "List" in said or "list[" in said:
            given[name] = ["x"]
        else:
            given[name] = {}
    return given


def _call(method: Any) -> BaseException | None:
    given = _arguments(method)
    if method.__name__.startswith("begin_"):
        given["polling"] = False
    try:
        result = method(**given)
        if hasattr(result, "by_page"):
            list(result)
    except (GuardRefusal, AzureError, AttributeError, KeyError, TypeError, ValueError) as error:
        return error
    return None


def _may_pass(method: str, path: str) -> bool:
    """What is a read, said without the guard's code."""
    lower = path.lower()
    inside = f"/subscriptions/{names.SUBSCRIPTION}/".lower() in lower
    if not inside:
        return False
    if "microsoft.documentdb" in lower:
        return method in {"GET", "HEAD"} and (
            lower.endswith(("/databaseaccounts/x", "/sqlroledefinitions", "/sqlroleassignments"))
        )
    if SECRET_OR_TUNNEL & set(lower.split("/")) or lower.endswith(
        ("/authsettingsv2/list", "/config/logs")
    ):
        return False
    if method in {"GET", "HEAD"}:
        return "microsoft.web" in lower
    return method == "POST" and lower.endswith(READING_POSTS) and "/sites/x" in lower


@pytest.mark.parametrize(
    ("kind", "least_operations", "least_refused"), [("web", 600, 250), ("cosmosdb", 230, 220)]
)
def test_every_operation(
    kind: str, least_operations: int, least_refused: int, server: Counting
) -> None:
    """Each operation is sent as the SDK sends it: reads pass, all else is refused unsent."""
    told, remember = _bench(server), Remember()
    client = _client(kind, told, server, remember)
    unsent: list[str] = []
    tried = refused = 0
    for group in _groups(client):
        operations = getattr(client, group)
        for name in sorted(dir(operations)):
            method = getattr(operations, name)
            if name.startswith("_") or not callable(method) or name == "models":
                continue
            remember.wanted.clear()
            server.requests.clear()
            told.latch.refusals.clear()
            error = _call(method)
            tried += 1
            if not remember.wanted:
                unsent.append(f"{group}.{name}: {error!r}")
                continue
            verb, path = remember.wanted[0]
            if _may_pass(verb, path):
                assert not isinstance(error, GuardRefusal), (group, name, verb, path, error)
                assert server.requests, (group, name)
            else:
                refused += 1
                assert isinstance(error, GuardRefusal), (group, name, verb, path, error)
                assert server.requests == [], (group, name)
                assert told.latch.refusals, (group, name)
                if "DocumentDB" in path:
                    assert error.promise == "no-control-plane-rewrite", (group, name)
    assert unsent == []
    assert tried >= least_operations
    assert refused >= least_refused
    assert told.ledger.spent == []


def test_the_planned_swap_passes_once(server: Counting) -> None:
    """The one permitted write leaves, spent before it leaves, and never a second time."""
    server.requests.clear()
    told, remember = _bench(server), Remember()
    client = _client("web", told, server, remember)

    def send() -> None:
        client.web_apps.begin_swap_slot_with_production(
            "trading", names.BACKEND, {"targetSlot": "staging", "preserveVnet": True}, polling=False
        )

    send()
    assert [seen.method for seen in server.requests] == ["POST"]
    assert [effect for effect, _ in told.ledger.spent] == ["revert#swap"]
    with pytest.raises(GuardRefusal) as refused:
        send()
    assert refused.value.code == "guard.permission.spent"
    assert len(server.requests) == 1


def test_every_attempt_of_a_retry_spends(server: Counting) -> None:
    """Were retries left on, the second attempt would find nothing left: one swap, not four."""
    told, remember = _bench(server), Remember()
    server.requests.clear()
    server.status, server.headers = 503, {"Retry-After": "0"}
    try:
        client = _client("web", told, server, remember)
        with pytest.raises(GuardRefusal):
            client.web_apps.begin_swap_slot_with_production(
                "trading",
                names.BACKEND,
                {"targetSlot": "staging", "preserveVnet": True},
                polling=False,
                retry_total=3,
                retry_backoff_factor=0,
            )
    finally:
        server.status, server.headers = 200, {}
    assert len(server.requests) == 1


@pytest.mark.parametrize("elsewhere", [False, True])
def test_each_look_at_an_operation_is_judged(server: Counting, *, elsewhere: bool) -> None:
    """The SDK's own polling: each look is a read here; where an answer sends it, it is no read."""
    told, remember = _bench(server), Remember()
    server.requests.clear()
    looks = f"/subscriptions/{names.SUBSCRIPTION}/providers/Microsoft.Web/locations/w/operations/1"
    with counting() as other:
        place = f"{(other if elsewhere else server).url}{looks}?api-version=2025-05-01"
        server.headers, server.status = {"Location": place, "Retry-After": "0"}, 202

        def ended(seen: Any) -> None:
            looked = [one for one in server.requests if one.method == "GET"]
            server.status = 200 if seen.method == "GET" and len(looked) > 1 else 202

        server.hear = ended
        try:
            poller = _client("web", told, server, remember).web_apps.begin_swap_slot_with_production(
                "trading",
                names.BACKEND,
                {"targetSlot": "staging", "preserveVnet": True},
                polling_interval=0,
            )
            if elsewhere:
                with pytest.raises(GuardRefusal) as refused:
                    poller.result()
                assert refused.value.code == "guard.host.unknown"
            else:
                poller.result()
        finally:
            server.status, server.headers, server.hear = 200, {}, bool
        assert other.requests == []
    sent = [seen.method for seen in server.requests]
    assert sent == (["POST"] if elsewhere else ["POST", "GET", "GET"])
    prefix = f"{told.wire.scope.request_prefix}."
    assert all(seen.headers["x-request-id"].startswith(prefix) for seen in server.requests)
